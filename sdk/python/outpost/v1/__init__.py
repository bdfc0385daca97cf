"""The wire contract: code generated from proto/outpost/v1."""
