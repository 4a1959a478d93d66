from __future__ import annotations

import urllib.parse

from dm.common.api.dmRestApi import DmRestApi
from dm.common.objects.dmObject import DatasetMetadata


class DatasetCatApi(DmRestApi):
    SERVICE = "CAT"

    def addExperimentDataset(self, datasetInfo):
        form = f"datasetInfo={urllib.parse.quote(str(self.encodeJson(datasetInfo)))}"
        url = "/dm/datasets/addExperimentDataset"
        return DatasetMetadata(self.sendSessionRequest(url, "POST", "application/x-www-form-urlencoded", form))
