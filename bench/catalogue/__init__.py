# SPDX-License-Identifier: GPL-2.0-only
"""The catalogue of state transitions: every edge of an interrupt's life, as data, with its expected states."""
