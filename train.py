#!/usr/bin/env python3
"""Train SPADE: python train.py --name NAME [--dataset_mode coco --dataroot DIR] [...]; --help lists everything."""

import sys
from contextlib import closing

from tqdm import tqdm

from data import PRESETS, create_dataset, create_loader
from models import create_model, create_objective
from options import TrainOptions, parse_options
from trainers import NonFiniteLossError, create_trainer
from trainers.checkpoint import LATEST, restore_checkpoint, save_checkpoint, set_aside
from util.device import choose_device, memory_format, seed_everything
from util.errors import report_input_errors
from util.progress import Progress
from util.progress_bar import ProgressBar
from util.visualizer import Visualizer


def train(opt: TrainOptions) -> None:
    """The whole training of one run."""
    seed_everything(opt.seed)
    device = choose_device(opt.gpu_id_list)
    dataset = create_dataset(opt)
    loader = create_loader(opt, dataset)
    model = create_model(opt).to(device, memory_format=memory_format(opt.channels_last, device))
    trainer = create_trainer(opt, model, create_objective(opt, device))
    progress = Progress(opt.niter + opt.niter_decay, images_per_epoch=len(loader) * opt.batch_size)
    prepare_run(opt, trainer, progress)

    model.train()
    with closing(create_visualizer(opt, dataset)) as visualizer:
        for epoch in progress.epochs():
            first_step = progress.batches_done(opt.batch_size)
            loader.sampler.set_epoch(epoch, first=first_step * opt.batch_size)
            trainer.set_learning_rate(epoch)
            with ProgressBar(epoch, progress) as bar:
                for step, batch in enumerate(loader, start=first_step):
                    if step % opt.D_steps_per_G == 0:
                        trainer.generator_step(batch)
                    trainer.discriminator_step(batch)
                    progress.advance(opt.batch_size)
                    bar.update(opt.batch_size)
                    if progress.at_edge or progress.due(opt.print_freq):
                        losses = trainer.read_losses()
                        bar.set_postfix(losses)
                        visualizer.log(
                            epoch, progress.images_this_epoch, progress.images_seen, bar.seconds_per_image, losses
                        )
                    if progress.at_edge or progress.due(opt.display_freq):
                        visualizer.show(epoch, progress.images_seen, *trainer.pictures)
                    if progress.due(opt.save_latest_freq):
                        save_checkpoint(opt.run_dir, LATEST, trainer, progress)
            if epoch % opt.save_epoch_freq == 0 or epoch == progress.num_epochs:
                save_checkpoint(opt.run_dir, str(epoch), trainer, progress)
                save_checkpoint(opt.run_dir, LATEST, trainer, progress)


def prepare_run(opt: TrainOptions, trainer, progress: Progress) -> None:
    """Go on with the run of this name, or begin it anew; then its folder holds this run's options."""
    if opt.continue_train:
        restore_checkpoint(opt.run_dir, opt.which_epoch, trainer, progress)
        if progress.epoch > progress.num_epochs:
            print(f"{opt.run_dir}: all {progress.num_epochs} epochs are done; --niter adds more")
        else:
            print(f"{opt.run_dir}: going on in epoch {progress.epoch}, after {progress.images_this_epoch} images of it")
    elif aside := set_aside(opt.run_dir):
        print(f"{opt.run_dir} held an earlier run, now in {aside}; --continue_train would have gone on with it")
    opt.save(opt.run_dir / "options.json")


def create_visualizer(opt: TrainOptions, dataset) -> Visualizer:
    """Log, page and TensorBoard events of the run, in the data set's class names and colours."""
    return Visualizer(
        opt.run_dir,
        title=f"Training of {opt.name}",
        class_names=dataset.class_names,
        class_colors=dataset.class_colors,
        html=opt.html,
        tensorboard=opt.tensorboard,
        display_winsize=opt.display_winsize,
        write=tqdm.write,
    )


def main(argv: list[str] | None = None) -> int:
    """Train as the command line says; return the exit status."""
    opt = parse_options(TrainOptions, argv, PRESETS)
    print(opt.describe())
    with report_input_errors("train.py"):
        try:
            train(opt)
        except NonFiniteLossError as error:
            print(f"train.py: stopped: {error}; the last good checkpoint is kept: {opt.run_dir}", file=sys.stderr)
            return 1
    print(f"Networks are in {opt.run_dir}; look at {opt.run_dir / 'web' / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
