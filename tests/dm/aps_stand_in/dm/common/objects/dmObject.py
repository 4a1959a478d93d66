"""What every reply is wrapped in (dm-protocol.md section 2.4)."""

from __future__ import annotations

from collections import UserDict


class DmObject(UserDict):
    """A dictionary that is none: ``json.dumps`` does not take it."""

    DEFAULT_KEY_LIST = ["id", "name"]

    def getDictRep(self, keyList="DEFAULT"):
        if keyList == "ALL":
            return dict(self.data)
        keys = self.DEFAULT_KEY_LIST if keyList == "DEFAULT" else keyList
        return {key: self.data[key] for key in keys if key in self.data}


class Experiment(DmObject):
    pass


class DaqInfo(DmObject):
    DEFAULT_KEY_LIST = ["id", "experimentName", "dataDirectory", "status", "nProcessedFiles", "countFiles"]


class UploadInfo(DaqInfo):
    pass


class Workflow(DmObject):
    pass


class ProcessingJob(DmObject):
    DEFAULT_KEY_LIST = ["id", "owner", "status", "startTime", "endTime", "runTime", "errorMessage"]

    def getWorkflowStage(self, stageId):
        return self.data["workflow"]["stages"][stageId]


class FileMetadata(DmObject):
    pass


class CollectionMetadata(DmObject):
    pass


class DatasetMetadata(DmObject):
    pass
