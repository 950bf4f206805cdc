# SPDX-License-Identifier: GPL-2.0-only
"""The ground that the models stand on: interface, GIC architecture, EL2 machine, trace format, events and prices."""
