"""A double of comfy.model_management: one CPU with 8 GB free."""

import torch


class InterruptProcessingException(Exception):  # noqa: N818
    pass


_state = {"interrupted": False}


def get_torch_device():
    return torch.device("cpu")


def unet_offload_device():
    return torch.device("cpu")


def vae_offload_device():
    return torch.device("cpu")


def intermediate_device():
    return torch.device("cpu")


def unet_dtype(device=None, model_params=0, supported_dtypes=(), weight_dtype=None):
    return torch.float32


def unet_manual_cast(weight_dtype, inference_device, supported_dtypes=()):
    return None


def get_free_memory(dev=None, torch_free_too=False):
    return 8e9


def should_use_bf16(device=None):
    return False


def load_models_gpu(models, memory_required=0, force_patch_weights=False, force_full_load=False):
    for patcher in models:
        patcher.model.to(patcher.load_device)


def interrupt_current_processing(value=True):
    _state["interrupted"] = value


def throw_exception_if_processing_interrupted():
    if _state["interrupted"]:
        _state["interrupted"] = False
        raise InterruptProcessingException
