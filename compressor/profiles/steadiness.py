"""What of a machine's set-up makes its latencies less steady than they could be, in words."""

from compressor.records.profile import DeviceFingerprint

STEADY_GOVERNOR = "performance"


def steadiness_notes(device: DeviceFingerprint) -> tuple[str, ...]:
    """One sentence per cause: frequency governor, SMT, a quota below the affinity mask; none for what is unknown."""
    notes = []
    if device.governor not in (None, STEADY_GOVERNOR):
        notes.append(
            f"the frequency governor is `{device.governor}`: latencies follow the clock of the moment; "
            f"`{STEADY_GOVERNOR}` keeps it steady"
        )
    if device.smt:
        notes.append(
            f"two hardware threads share a core (SMT, {device.logical_cores} on {device.physical_cores or 'unknown'} "
            "cores): whatever runs beside the engine slows it down; switch SMT off or keep the other half idle"
        )
    if device.cpu_quota is not None and device.cpu_quota < device.affinity_cores:
        notes.append(
            f"a cgroup quota of {device.cpu_quota:g} CPUs holds this process, which may run on "
            f"{device.affinity_cores}: it is stopped for a while whenever it uses more"
        )
    return tuple(notes)
