# SPDX-License-Identifier: GPL-2.0-only
"""The models that come with this project, by the names of their packages: the one place that lists them."""

DESIGNS = {"old": "vgic_old", "new": "vgic_new", "now": "vgic_now"}
"""VGIC designs: what the command line calls them -> package, whose object DESIGN is a kvmarm.design.Design."""

SWITCHES = {"asm": "switch_asm_model", "c": "switch_c_model"}
"""World switches: likewise, SWITCH, a kvmarm.el2.switch.SwitchModel."""

DEFAULT_DESIGNS = ("old", "new")
"""What is compared when nobody names designs."""

MODELS = (*DESIGNS.values(), *SWITCHES.values())
