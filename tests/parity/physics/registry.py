"""Which check judges which array of which file; everything else in a file must be an input."""

from collections.abc import Mapping

import attrs

from tests.parity.physics import (
    checks_data,
    checks_evaluation,
    checks_losses,
    checks_model,
    checks_networks,
    checks_stitching,
)
from tests.parity.physics.verdict import Check


@attrs.frozen
class Family:
    """The golden vectors of one file name: names of inputs and of outputs, patterns of both allowed."""

    inputs: tuple[str, ...]
    checks: Mapping[str, Check]


def _family(inputs: str, checks: Mapping[str, Check]) -> Family:
    """Both with several names in one string."""
    return Family(tuple(inputs.split()), {name: check for names, check in checks.items() for name in names.split()})


FAMILIES: dict[str, Family] = {
    "grouping": _family(
        "xcoords ycoords diff3d seed K n_subsample bounds",
        {
            "valid_indices": checks_data.valid_indices,
            "nearest_nn_indices": checks_data.nearest_indices,
            "nearest_center_scan_id": checks_data.centre_ids,
            "nearest_coords_center nearest_coords_relative": checks_data.grouped_offsets,
            "nearest_coords_global": checks_data.grouped_offsets,
            "random_nn_indices sequential_nn_indices single_nn_indices": checks_data.drawn_indices,
            "oversample_nn_indices": checks_data.oversampled_indices,
            "random_coords_offsets random_coords_relative": checks_data.grouped_offsets,
            "sequential_coords_offsets sequential_coords_relative": checks_data.grouped_offsets,
            "single_coords_offsets single_coords_relative": checks_data.grouped_offsets,
            "oversample_coords_offsets oversample_coords_relative": checks_data.grouped_offsets,
            "random_X_full": checks_data.normalised_patterns,
        },
    ),
    "scaling": _family(
        "amplitude counts probe probe_modes nphotons probe_scale",
        {
            "rms_Parseval_Batch rms_Parseval_Group rms_Max_Batch rms_Max_Group": checks_data.amplitude_scales,
            "physics_Parseval_Batch physics_Parseval_Group": checks_data.amplitude_scales,
            "physics_Max_Batch physics_Max_Group": checks_data.amplitude_scales,
            "intensity_scale": checks_data.photon_scale,
            "ci_rms_input_scale ci_mean_measured_intensity": checks_data.counted,
            "probe_single probe_multi probe_single_mask probe_multi_mask": checks_data.normalised_probes,
            "q_single q_multi q_single_mask q_multi_mask": checks_data.normalised_probes,
            "probe_mask": checks_data.default_mask,
        },
    ),
    "reassembly": _family(
        "patches offsets max_neighbor_distance probe crop_size",
        {
            "translated": checks_stitching.translated,
            "M": checks_stitching.side_of_region,
            "merged mask merged_probe mask_probe": checks_stitching.merged,
            "merged_crop mask_crop M_crop": checks_stitching.merged_crop,
            "extracted": checks_stitching.extracted,
        },
    ),
    "barycentric": _family(
        "patches positions_xy positions_oob_xy probe_weight middle_trim max_offset_yx scan_com_xy",
        {
            "canvas counts canvas_oob counts_oob": checks_stitching.canvases,
            "weighted_canvas weighted_weights": checks_stitching.canvases,
            "accepted total": checks_stitching.accepted,
            "canvas_shape": checks_stitching.canvas_shape,
            "canvas_origin_offset_xy": checks_stitching.canvas_offset,
        },
    ),
    "varpro": _family(
        "probe a b intensity s_true",
        {
            "psi_a psi_b": checks_evaluation.waves,
            "X1 X2 X3": checks_evaluation.parts_of_intensity,
            "ATA ATb": checks_evaluation.sums,
            "sum_i2": checks_evaluation.energy,
            "n_pixels": checks_evaluation.pixels,
            "s_lbfgs s_global": checks_evaluation.exact_scales,
            "s_eig": checks_evaluation.eigen_scales,
        },
    ),
    "frc": _family(
        "target pred SNRt ramp_in plane_in amp_t amp_u big_a big_b",
        {
            "fsc x_nyquist": checks_evaluation.ring_curve,
            "threshold threshold_x": checks_evaluation.threshold,
            "ramp_removed": checks_evaluation.ramp,
            "plane_out": checks_evaluation.plane,
            "mae mse": checks_evaluation.errors,
            "psnr": checks_evaluation.peak_ratio,
            "ms_ssim": checks_evaluation.scales_of_similarity,
            "cut50 cut17": checks_evaluation.cut_off,
        },
    ),
    "model_amplitude": _family(
        "object probe offsets k_out experiment_ids nphotons gain max_neighbor_distance",
        {
            "illuminated": checks_model.illuminated,
            "diff_coherent diff_single": checks_model.diffracted,
            "amp_small amp_big amp_probe amp_uniform amp_mask amp_gain": checks_model.amplitude,
            "sim_multi sim_single sim_multi_probe sim_single_probe": checks_model.simulated,
        },
    ),
    "model_rectangular": _family(
        "object probe offsets k experiment_ids s1 s2 q physics_scale max_neighbor_distance",
        {
            "I_small I_big I_mask": checks_model.rectangular_intensity,
            "psi_a psi_b": checks_model.rectangular_waves,
            "k_legacy k_ci": checks_model.scale_of_field,
        },
    ),
    "model_losses": _family(
        "A Y c I K mean_measured rect_legacy_rate phase",
        {
            "poisson_amp_per_sample poisson_amp_loss": checks_losses.poisson_of_amplitudes,
            "mae_amp_loss": checks_losses.mae_of_amplitudes,
            "l2_alpha l2_matched mae_l2_loss": checks_losses.matched,
            "ci_per_sample ci_loss rect_legacy_poisson_per_sample": checks_losses.poisson_of_counts,
            "rect_legacy_mae": checks_losses.mae_of_squares,
            "tv mean_deviation": checks_losses.smoothness,
        },
    ),
    "model_translation": _family(
        "img off region offsets object probe mnd",
        {
            "translated translated_real": checks_stitching.translated,
            "extracted": checks_stitching.extracted,
            "merged_central merged_probe merged_uniform": checks_stitching.merged,
            "mask_central mask_probe mask_uniform": checks_stitching.merged,
            "padded_N*": checks_stitching.padded_sides,
        },
    ),
    "model_probe_mask": _family(
        "custom_in", {"N[0-9]*": checks_networks.soft_disks, "custom_out": checks_networks.custom_mask}
    ),
    "model_blocks": _family(
        "x dec_x cbam.* eca.* dec.*",
        {"cbam eca": checks_networks.attention, "dec_out dec_out_probe_small": checks_networks.last_layer},
    ),
    "model_spectral": _family(
        "x pb.* ffno.*",
        {
            "ptychoblock": checks_networks.fourier_block,
            "factorized ffno_block": checks_networks.factorised,
            "sqrt log1p instancenorm": checks_networks.input_transform,
        },
    ),
}
