# SPDX-License-Identifier: GPL-2.0-only
"""Whose prices fit a recording: a machine with the GIC that the recorded virtual machine has."""

from kvmarm.errors import UsageError
from kvmarm.platforms import Platform, load_platform, platform_names

DEFAULTS = {2: "seattle", 3: "neoverse-n1"}
"""Platform by GIC version, where none is named."""


def fitting_platform(name: str | None, gic: int, assumed: bool, recording: str) -> tuple[Platform, str]:
    """Return the platform for a recording of a GICv`gic` machine, and why it is that one.

    name: the platform that the user named, or None. assumed: nothing told the GIC's version. Raises UsageError when the
    one named has another GIC: its prices have no list registers of this kind.
    """
    reason = f"the recording's GIC is {'taken for ' * assumed}a GICv{gic}"
    if name is None:
        return load_platform(DEFAULTS[gic]), f"chosen because {reason}"
    platform = load_platform(name)
    if platform.gic != gic:
        fitting = [other for other in platform_names() if load_platform(other).gic == gic]
        raise UsageError(
            f"{recording}: --platform {name}: a machine with a GICv{platform.gic}, but {reason}: expected "
            f"{', '.join(fitting)}, a file of such a machine, or --gic {platform.gic} if the recording is of one"
        )
    return platform, f"named; {reason}"
