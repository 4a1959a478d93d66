from __future__ import annotations

from dm.common.api.dmRestApi import DmRestApi
from dm.common.objects.dmObject import ProcessingJob, Workflow


class WorkflowProcApi(DmRestApi):
    SERVICE = "PROC"

    def listWorkflows(self, owner):
        url = f"/dm/workflowsByOwner/{owner}?queryDict={self.encodeJson({})}"
        return [Workflow(record) for record in self.sendSessionRequest(url, "GET")]

    def getWorkflowByName(self, owner, name):
        return Workflow(self.sendSessionRequest(f"/dm/workflowsByOwner/{owner}/{self.encode(name)}", "GET"))

    def startProcessingJob(self, workflowOwner, workflowName, argsDict={}):
        path = f"/dm/processingJobsByWorkflow/{workflowOwner}/{self.encode(workflowName)}/startProcessingJob"
        return ProcessingJob(self.sendSessionRequest(f"{path}?argsDict={self.encodeJson(argsDict)}", "POST"))

    def listProcessingJobs(self, owner=None, keyList="DEFAULT"):
        query = f"queryDict={self.encodeJson({})}&skip=0&limit=5000&keyList={self.encodeJson(keyList)}"
        records = self.sendSessionRequest(f"/dm/processingJobsByOwner/{owner or self.username}?{query}", "GET")
        return [ProcessingJob(record) for record in records]

    def getProcessingJobById(self, owner, id):
        return ProcessingJob(self.sendSessionRequest(f"/dm/processingJobsByOwner/{owner}/{id}", "GET"))

    def abandonProcessingJob(self, owner, id):
        """No documented method stops a job; this is one that only a site knows of."""
        path = f"/dm/processingJobsByOwner/{owner}/{id}/stopProcessingJob"
        return ProcessingJob(self.sendSessionRequest(path, "POST"))
