"""A compiled model as a file: NumPy's archive of plain arrays, which is read without pickle."""

from io import BytesIO

import numpy as np

from healthcare_assets.domain.compiled import CompiledModel, Polynomials, TreeTable

_TREES, _POLYNOMIALS = "tree_table", "polynomials"


def packed(model: CompiledModel) -> bytes:
    """The file's content; the same model, the same bytes."""
    content = BytesIO()
    if isinstance(model, TreeTable):
        # Stored by its distinct amounts: neighbouring cells often share one, and bytes of positions compress well.
        amounts, which = np.unique(model.charges, return_inverse=True)
        np.savez_compressed(
            content,
            kind=np.array(_TREES),
            age_cells=model.age_cells,
            children_cells=model.children_cells,
            bmi_from=model.bmi_from,
            amounts=amounts,
            which=which.reshape(model.charges.shape).astype(np.uint32),
        )
    elif isinstance(model, Polynomials):
        np.savez_compressed(
            content,
            kind=np.array(_POLYNOMIALS),
            coefficients=model.coefficients,
            log_link=np.array(model.log_link),
        )
    else:
        raise TypeError(f"{type(model).__name__} is no compiled model that can be stored.")
    return content.getvalue()


def unpacked(content: bytes) -> CompiledModel:
    """The model that `packed` wrote. ValueError or KeyError for anything else."""
    with np.load(BytesIO(content), allow_pickle=False) as arrays:
        if str(arrays["kind"]) == _TREES:
            return TreeTable(
                age_cells=arrays["age_cells"],
                children_cells=arrays["children_cells"],
                bmi_from=arrays["bmi_from"],
                charges=arrays["amounts"][arrays["which"]],
            )
        return Polynomials(coefficients=arrays["coefficients"], log_link=bool(arrays["log_link"]))
