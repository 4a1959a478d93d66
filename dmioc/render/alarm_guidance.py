"""What to do about an alarm, in words for whoever is called: by the PV, which the catalogue does not know how to mend."""

from __future__ import annotations

STATION = (
    "`dmioc check` on the gateway's host tells what is wrong with services, certificates, user and ports. While a service"
    " is away the gateway keeps the last good values, marks them INVALID/COMM and asks again by itself."
)
"""For the whole tree."""

_SERVICE = (
    "The reason is on Error beside this PV. Values that come from this service are INVALID until it answers again, which"
    " the gateway notices by itself. If others reach the service: run `dmioc check` on the gateway's host. If nobody"
    " does: call the DM group."
)
_GOES_ON = " If only the gateway cannot reach it, {} that DM runs go on."
_TRANSFER = (
    "Read Error, StatusText and LastFile of this slot. Put right what is named there (disk, path, permission), then"
    " Start again."
)
_COUNT_FAILED = "Read Error of this slot. Start again when the reason is gone, or upload the files that are missing."
_STREAM_COUNT = "Read Message of this slot. The data of this session are not whole: decide whether to measure again."

GUIDANCE = {
    "State": "The State and Error of DS:, DAQ:, PROC: and CAT: tell which service is away and why; Message is the last event.",
    "DS:State": _SERVICE,
    "DAQ:State": _SERVICE + _GOES_ON.format("DAQs and uploads"),
    "PROC:State": _SERVICE + _GOES_ON.format("jobs"),
    "CAT:State": _SERVICE
    + " Metadata cannot be sent meanwhile; DMMetadata in a bluesky session keeps it and sends it later.",
    "EXP:State": (
        "NotFound: the name in EXP:Name is not in DM: mistyped, or not created yet (EXP:New). Unverified: DM could not be"
        " asked; this clears by itself."
    ),
    "DAQ:Status": _TRANSFER + " Lost: DM no longer knows the DAQ; start it again.",
    "DAQ:FilesTotal": (
        "The DAQ runs but has seen no file for NoFilesAfter seconds. Does the detector write to DataDirectory? Is the"
        " directory mounted on DM's host?"
    ),
    "DAQ:FilesFailed": _COUNT_FAILED,
    "UPL:Status": _TRANSFER + " An upload that ends with no file is Failed: is SourcePath right?",
    "UPL:FilesTotal": (
        "The upload runs but has seen no file for NoFilesAfter seconds. Is SourcePath right, and mounted on DM's host?"
    ),
    "UPL:FilesFailed": _COUNT_FAILED,
    "WF:Status": (
        "Read Stage, Error, StdErr and ExitStatus of this slot, or its Report. No progress: the stage may hang; Abort ends"
        " the job. Lost: DM no longer knows the job. Acknowledge when somebody looks after it."
    ),
    "MD:Status": "Read MD:CmdMessage. Send again when DM's catalog answers.",
    "STR:State": (
        "Read Error and Message of this slot, and Status and StdErr of the workflow slot behind it. Lost: the workflow"
        " sent no report for HeartbeatTimeout seconds. Offer a new session when the workflow can run."
    ),
    "STR:Missed": _STREAM_COUNT,
    "STR:Errors": _STREAM_COUNT,
}
"""By the PV's name; for slots without their number. Every PV with an alarm rule must be in here."""
