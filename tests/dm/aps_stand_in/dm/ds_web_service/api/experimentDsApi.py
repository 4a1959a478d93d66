from __future__ import annotations

from dm.common.api.dmRestApi import DmRestApi
from dm.common.objects.dmObject import Experiment


class ExperimentDsApi(DmRestApi):
    SERVICE = "DS"

    def getExperimentsByStation(self, stationName=None):
        stationName = stationName or self.configurationManager["stationName"]
        records = self.sendSessionRequest(f"/dm/experimentsByStation/{stationName}", "GET")
        return [Experiment(record) for record in records]

    def getExperimentByName(self, name, stationName=None):
        stationName = stationName or self.configurationManager["stationName"]
        return Experiment(self.sendSessionRequest(f"/dm/experimentsByName/{self.encode(name)}/{stationName}", "GET"))

    def addExperiment(
        self,
        experimentName,
        stationName=None,
        typeName=None,
        description=None,
        rootPath=None,
        storageName=None,
        globusGroupId=None,
        startDate=None,
        endDate=None,
        managedDirectoryStructure=None,
        beamlineUserAccount=None,
        beamlineAdminAccount=None,
    ):
        record = {
            "name": experimentName,
            "stationName": stationName or self.configurationManager["stationName"],
            "typeName": typeName,
            "description": description,
            "startDate": startDate,
            "endDate": endDate,
        }
        record = {key: value for key, value in record.items() if value is not None}
        url = f"/dm/experiments/addExperiment?experiment={self.encodeJson(record)}"
        return Experiment(self.sendSessionRequest(url, "POST"))
