"""The devices of a station for ophyd-async, over Channel Access (``ca://DEMO:DM:``) or PVAccess (``pva://DEMO:DM:``).

Classes and attributes have the names of `dmioc.devices`; tables and typed choices are added. No ophyd, pyepics or caproto is
imported.
"""

from dmioc.devices.aio.commands import DMCommand as DMCommand
from dmioc.devices.aio.enums import DMCommandStatus as DMCommandStatus
from dmioc.devices.aio.enums import DMControl as DMControl
from dmioc.devices.aio.enums import DMExperimentState as DMExperimentState
from dmioc.devices.aio.enums import DMGatewayState as DMGatewayState
from dmioc.devices.aio.enums import DMIfRunning as DMIfRunning
from dmioc.devices.aio.enums import DMNoYes as DMNoYes
from dmioc.devices.aio.enums import DMServiceState as DMServiceState
from dmioc.devices.aio.enums import DMStatus as DMStatus
from dmioc.devices.aio.enums import DMStreamState as DMStreamState
from dmioc.devices.aio.enums import DMUploadMode as DMUploadMode
from dmioc.devices.aio.experiment import DMExperiment as DMExperiment
from dmioc.devices.aio.metadata import DMRunMetadata as DMRunMetadata
from dmioc.devices.aio.station import DMStation as DMStation
from dmioc.devices.aio.streams import DMStreams as DMStreams
from dmioc.devices.aio.streams import DMStreamSlot as DMStreamSlot
from dmioc.devices.aio.tables import DMExperimentList as DMExperimentList
from dmioc.devices.aio.tables import DMJobList as DMJobList
from dmioc.devices.aio.tables import DMMessages as DMMessages
from dmioc.devices.aio.tables import DMStages as DMStages
from dmioc.devices.aio.tables import DMTransferList as DMTransferList
from dmioc.devices.aio.tables import DMWorkflowList as DMWorkflowList
from dmioc.devices.aio.transfers import DMDaqs as DMDaqs
from dmioc.devices.aio.transfers import DMDaqSlot as DMDaqSlot
from dmioc.devices.aio.transfers import DMUploads as DMUploads
from dmioc.devices.aio.transfers import DMUploadSlot as DMUploadSlot
from dmioc.devices.aio.workflows import DMJobs as DMJobs
from dmioc.devices.aio.workflows import DMWorkflows as DMWorkflows
from dmioc.devices.aio.workflows import DMWorkflowSlot as DMWorkflowSlot
