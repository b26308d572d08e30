"""Training methods, one file each: networks, losses, optimizer settings, and the order of the steps.

To add a method: one file with a class, and its entry in `METHODS`. The entry holds what `--help` and the checks of a
command line need, so that these do not wait for PyTorch.
"""

from models.methods.facts import MethodFacts

AUGMENTATION_OPTIONS = frozenset({"diffaugment", "warp"})
"""Those of methods with a discriminator; samples are warped when they are read."""
REGULARIZATION_OPTIONS = frozenset({"r1_gamma", "r1_interval", "lambda_lecam", "lecam_start", "D_warmup"})
SPADE_OPTIONS = (
    AUGMENTATION_OPTIONS
    | REGULARIZATION_OPTIONS
    | {
        "input_nc",
        *("instance", "netG", "conditioning", "norm_G", "ngf", "padding_G", "upsampling_G", "num_upsampling_layers"),
        *("resnet_n_downsample", "resnet_n_blocks", "resnet_kernel_size", "resnet_initial_kernel_size"),
        *("use_vae", "random_input", "z_dim", "norm_E", "norm_D", "num_D", "n_layers_D", "ndf"),
        *("init_type", "init_gain", "checkpoint_activations", "modulation", "style_image", "num_styles", "tile"),
        *("gan_mode", "gan_feat_loss", "vgg_loss", "vgg_weights", "lambda_feat", "lambda_vgg", "lambda_kld"),
        *("TTUR", "D_steps_per_G"),
    }
)

METHODS: dict[str, MethodFacts] = {
    "spade": MethodFacts("spade:SPADEMethod", SPADE_OPTIONS, is_exported_for_any_size=True),
    "pix2pixhd": MethodFacts(
        "pix2pixhd:Pix2PixHDMethod",
        AUGMENTATION_OPTIONS
        | REGULARIZATION_OPTIONS
        | {
            *("netG", "norm_G", "ngf", "n_downsample_global", "n_blocks_global"),
            *("instance", "input_nc", "checkpoint_activations"),
            *("n_local_enhancers", "n_blocks_local", "niter_fix_global"),
            *("norm_D", "ndf", "num_D", "n_layers_D", "pool_size"),
            *("gan_feat_loss", "vgg_loss", "vgg_weights", "lambda_feat"),
            *("instance_feat", "label_feat", "feat_num", "feat_width", "n_downsample_E", "n_clusters"),
            "use_encoded_image",
        },
        preset={
            "netG": "global",
            "norm_G": "instance",
            "norm_D": "instance",
            "n_layers_D": 3,
            "lr": 0.0002,
            "beta1": 0.5,
            "beta2": 0.999,
            "batch_size": 1,
            "niter": 100,
            "niter_decay": 100,
        },
        is_exported_for_any_size=True,
    ),
    "pix2pix": MethodFacts(
        "pix2pix:Pix2PixMethod",
        AUGMENTATION_OPTIONS
        | REGULARIZATION_OPTIONS
        | {
            *("instance", "input_nc", "ngf", "norm_G", "dropout", "ndf", "norm_D", "n_layers_D"),
            *("init_type", "init_gain"),
            *("lambda_L1", "test_statistics", "num_styles"),
        },
        preset={
            "lr": 0.0002,
            "beta1": 0.5,
            "beta2": 0.999,
            "batch_size": 1,
            "niter": 100,
            "niter_decay": 100,
            "norm_G": "batch",
            "norm_D": "batch",
            "n_layers_D": 3,
            "init_type": "normal",
            "init_gain": 0.02,
        },
    ),
    "crn": MethodFacts(
        "crn:CRNMethod",
        frozenset(
            {
                *("crn_channels", "crn_images", "crn_train_from", "init_type", "init_gain"),
                *("vgg_loss", "vgg_weights", "vgg_origin", "crn_weights"),
            }
        ),
        preset={
            "lr": 0.0001,
            "beta1": 0.9,
            "beta2": 0.999,
            "batch_size": 1,
            "niter": 200,
            "niter_decay": 0,
            "flip": False,
            "instance": False,
            "init_type": "xavier_uniform",
        },
        size_fixes_weights=True,
    ),
    "sims": MethodFacts(
        "sims:SIMSMethod",
        frozenset(
            {
                *("bank", "sims_width", "align_segments", "order_segments", "disparity_dir", "lambda_layout"),
                *("crn_weights", "vgg_loss", "vgg_origin", "vgg_weights", "init_type", "init_gain"),
            }
        ),
        preset={
            "lr": 1e-4,
            "beta1": 0.9,
            "beta2": 0.999,
            "batch_size": 1,
            "niter": 800,
            "niter_decay": 0,
            "flip": False,
            "instance": False,
            "init_type": "xavier_uniform",
        },
        size_fixes_weights=True,  # the names of the output convolutions hold the height
        is_exported=False,  # a file has no canvases
    ),
    "oasis": MethodFacts(
        "oasis:OASISMethod",
        AUGMENTATION_OPTIONS
        | {
            *("instance", "norm_G", "padding_G", "upsampling_G", "ngf", "ndf", "noise_3d", "z_dim"),
            *("num_styles", "resample_class", "tile"),
            *("checkpoint_activations", "modulation", "D_warmup"),
            *("class_balance", "labelmix", "lambda_labelmix", "vgg_loss", "vgg_weights", "lambda_vgg", "TTUR"),
        },
        preset={
            "instance": False,
            "z_dim": 64,
            "vgg_loss": False,
            "lr": 0.0002,
            "beta2": 0.999,
            "niter": 200,
            "ema": 0.9999,
        },
        # Photos are not cropped: they are scaled to the size of the images.
        data_presets={
            "ade20k": {"load_size": 256, "batch_size": 32},
            "ade20k_outdoor": {"load_size": 256, "batch_size": 32},
            "coco": {"load_size": 256, "batch_size": 32, "niter": 100},
            "landscapes": {"instance": False},
            "cityscapes": {"batch_size": 20, "lr": 0.0004, "TTUR": False, "ema": 0.999, "lambda_labelmix": 5.0},
        },
    ),
    "spade_plus": MethodFacts(
        "spade_plus:SPADEPlusMethod",
        SPADE_OPTIONS - {"D_steps_per_G"},
        preset={"ema": 0.999},
        is_exported_for_any_size=True,
    ),
}
