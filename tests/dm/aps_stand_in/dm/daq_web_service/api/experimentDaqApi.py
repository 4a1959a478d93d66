from __future__ import annotations

from dm.common.api.dmRestApi import DmRestApi
from dm.common.objects.dmObject import DaqInfo, UploadInfo


class ExperimentDaqApi(DmRestApi):
    SERVICE = "DAQ"

    def startDaq(self, experimentName, dataDirectory, daqInfo={}):
        return DaqInfo(self._start("startDaq", experimentName, dataDirectory, daqInfo))

    def _start(self, verb, experimentName, dataDirectory, daqInfo):
        path = f"/dm/experimentsByName/{self.encode(experimentName)}/{verb}/{self.encode(dataDirectory)}"
        return self.sendSessionRequest(f"{path}?taskInfo={self.encodeJson(daqInfo)}", "POST")

    def stopDaq(self, experimentName, dataDirectory):
        path = f"/dm/experimentsByName/{self.encode(experimentName)}/stopDaq/{self.encode(dataDirectory)}"
        return DaqInfo(self.sendSessionRequest(path, "POST"))

    def listDaqs(self):
        return [DaqInfo(record) for record in self.sendSessionRequest("/dm/daqs", "GET")]

    def getDaqInfo(self, id):
        return DaqInfo(self.sendSessionRequest(f"/dm/daqs/{id}", "GET"))

    def upload(self, experimentName, dataDirectory, daqInfo={}):
        return UploadInfo(self._start("upload", experimentName, dataDirectory, daqInfo))

    def stopUpload(self, id):
        return UploadInfo(self.sendSessionRequest(f"/dm/uploads/{id}/stopUpload", "POST"))

    def listUploads(self):
        return [UploadInfo(record) for record in self.sendSessionRequest("/dm/uploads", "GET")]

    def getUploadInfo(self, id):
        return UploadInfo(self.sendSessionRequest(f"/dm/uploads/{id}", "GET"))
