# SPDX-License-Identifier: GPL-2.0-only
"""Results folders: their schema, reading, writing, checking, metadata and statistics."""
