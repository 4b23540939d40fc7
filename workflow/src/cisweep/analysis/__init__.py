"""What cisweep computes; one room a domain, imported when its first name is used.

Rooms carry nouns (`prediction`) because the functions carry the verbs (`predict`), and a package
attribute can only be one of the two. Loading is lazy so that motif scanning and seqlet calling do
not pay for torch.
"""

from cisweep.lazy import exports

_MODULE_OF = {
    "predict": "prediction.predict",
    "predict_tiles": "prediction.predict_tiles",
    "attribute": "attribution.deep_lift_shap",
    "references_by_name": "attribution.deep_lift_shap",
    "deep_lift_shap": "attribution.deep_lift_shap",
    "integrated_gradients": "attribution.deep_lift_shap",
    "input_x_gradient": "attribution.deep_lift_shap",
    "saliency": "attribution.saliency",
    "saturation_mutagenesis": "mutagenesis.saturation_mutagenesis",
    "recursive_seqlets": "seqlets.recursive_seqlets",
    "tfmodisco_seqlets": "seqlets.recursive_seqlets",
    "annotate_seqlets": "seqlets.annotate_seqlets",
    "count_annotations": "seqlets.annotations",
    "pairwise_annotations": "seqlets.annotations",
    "pairwise_annotations_spacing": "seqlets.annotations",
    "fimo": "motifs.fimo",
    "symmetric_tomtom": "motifs.symmetric_tomtom",
    "marginalize": "perturbation.perturb",
    "marginalize_annotations": "perturbation.perturb",
    "ablate": "perturbation.perturb",
    "ablate_annotations": "perturbation.perturb",
    "space": "perturbation.perturb",
    "apply_pairwise": "perturbation.perturb",
    "apply_product": "perturbation.perturb",
    "WindowShuffle": "perturbation.perturb",
    "substitution_effect": "mutagenesis.effects",
    "deletion_effect": "mutagenesis.effects",
    "insertion_effect": "mutagenesis.effects",
    "variant_effects": "variants.variant_effects",
    "embedding_distance": "language_model.embedding",
    "design": "sequence_design.design",
    "greedy_pruning": "sequence_design.greedy_pruning",
    "Ledidi": "sequence_design.ledidi",
    "DesignWrapper": "sequence_design.ledidi",
    "MinGap": "sequence_design.ledidi",
    "greedy_substitution": "sequence_design.substitution",
    "beam_substitution": "sequence_design.substitution",
}

__getattr__, __dir__, __all__ = exports(__name__, _MODULE_OF)
