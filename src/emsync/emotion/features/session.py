"""How the frozen networks run: ONNX Runtime on the processor."""

from __future__ import annotations

from typing import Any

from emsync.errors import WeightsError


def open_session(content: bytes, threads: int, *, what: str) -> Any:
    """An ONNX Runtime session on the processor that leaves idle cores to the decoder.

    Args:
        threads: 0 means one for each core.
        what: which network this is, for the error, for example "image features".
    Raises: WeightsError if the content is not a network.
    """
    import onnxruntime  # noqa: PLC0415  (0.1 s that --help must not pay)

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # decoding needs the cores
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises its own classes, with no public base but Exception
        raise WeightsError(f"The {what} cannot be loaded by onnxruntime: {error}") from error
