from __future__ import annotations

from dm.common.api.dmRestApi import DmRestApi
from dm.common.objects.dmObject import CollectionMetadata, FileMetadata


class FileCatApi(DmRestApi):
    SERVICE = "CAT"

    def getExperimentFile(self, experimentName, experimentFilePath):
        url = f"/dm/experimentFiles/{self.encode(experimentName)}/{self.encode(experimentFilePath)}"
        return FileMetadata(self.sendSessionRequest(url, "GET"))

    def getExperimentFileCollectionStats(self, experimentName):
        url = f"/dm/experimentFileCollections/{self.encode(experimentName)}/stats"
        return CollectionMetadata(self.sendSessionRequest(url, "GET"))
