# SPDX-License-Identifier: GPL-2.0-only
"""The ground of the models: interface, GIC architecture, EL2 machine, trace format, events and prices."""
