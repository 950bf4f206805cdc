# SPDX-License-Identifier: GPL-2.0-only
"""The operations of a trace on one VM, and what each gave."""
