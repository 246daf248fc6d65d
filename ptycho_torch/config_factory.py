"""The factories under the name that PtychoPINN users know; pure, see `ptycho_config.factory`."""

from ptycho_config.factory import Sources, create_inference_payload, create_training_payload

__all__ = ["Sources", "create_inference_payload", "create_training_payload"]
