from __future__ import annotations

from dm.common.api.dmRestApi import DmRestApi
from dm.common.objects.dmObject import FileMetadata


class FileDsApi(DmRestApi):
    SERVICE = "DS"

    def statFile(self, experimentFilePath, experimentName, stationName=None):
        stationName = stationName or self.configurationManager["stationName"]
        url = (
            f"/dm/experimentsByName/{self.encode(experimentName)}/{stationName}/stat/{self.encode(experimentFilePath)}"
        )
        return FileMetadata(self.sendSessionRequest(url, "GET"))
