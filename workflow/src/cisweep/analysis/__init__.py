"""What cisweep computes; one module a domain, imported when its first name is used.

The modules carry nouns (`prediction`) because the functions carry the verbs (`predict`), and a
package attribute can only be one of the two. Loading is lazy so that motif scanning and seqlet
calling do not pay for torch.
"""

from cisweep.lazy import exports

_MODULE_OF = {
    "predict": "prediction",
    "predict_tiles": "tiling",
    "attribute": "attribution",
    "references_by_name": "attribution",
    "deep_lift_shap": "attribution",
    "integrated_gradients": "attribution",
    "input_x_gradient": "attribution",
    "saturation_mutagenesis": "mutagenesis",
    "recursive_seqlets": "seqlets",
    "tfmodisco_seqlets": "seqlets",
    "annotate_seqlets": "annotation",
    "fimo": "scanning",
    "marginalize": "perturbation",
    "ablate": "perturbation",
    "space": "perturbation",
    "substitution_effect": "effects",
    "deletion_effect": "effects",
    "insertion_effect": "effects",
    "variant_effects": "variant_effect",
    "embedding_distance": "embedding",
    "design": "designing",
    "greedy_pruning": "pruning",
}

__getattr__, __dir__, __all__ = exports(__name__, _MODULE_OF)
