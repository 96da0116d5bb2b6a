"""`tinyanime packs`: the CMSIS packs that the kernels may come from."""

from __future__ import annotations

import os

import click

from tinyanime.codegen.cmsis_nn import packs as cmsis_packs
from tinyanime.codegen.cmsis_nn.sources import ENVIRONMENT_VARIABLE, find_cmsis_nn
from tinyanime.codegen.errors import UserError


@click.group(epilog="\b\nExamples\n  tinyanime packs list\n  tinyanime packs install")
def packs() -> None:
    """Show or install the CMSIS packs that kernels are built from."""


@packs.command("list")
def list_packs() -> None:
    """Show which packs are installed and which CMSIS-NN a build would use."""
    data_dir = cmsis_packs.pack_data_dir()
    if data_dir is None:
        click.echo("cmsis-pack-manager: not installed (pip install 'tinyanime[packs]')")
    else:
        click.echo(f"cmsis-pack-manager: {data_dir}")
        for vendor, name in (cmsis_packs.CMSIS_NN_PACK, cmsis_packs.CMSIS_CORE_PACK):
            found = cmsis_packs.find_pack((vendor, name), data_dir)
            click.echo(f"  {vendor}::{name}: {found.version if found else 'not installed'}")
    click.echo(f"{ENVIRONMENT_VARIABLE}: {os.environ.get(ENVIRONMENT_VARIABLE) or 'not set'}")
    try:
        library = find_cmsis_nn()
    except UserError as error:
        click.echo(f"used for builds: none. {error.message} {error.hint}")
        return
    click.echo(f"used for builds: {library.name}, from {library.root} ({library.origin.value})")


@packs.command("install")
def install() -> None:
    """Download ARM::CMSIS-NN and ARM::CMSIS through cmsis-pack-manager."""
    click.echo("Reading the pack index (a few minutes the first time) ...", err=True)
    for pack in cmsis_packs.install_packs():
        click.echo(f"{pack} in {pack.file}")
