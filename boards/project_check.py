"""Checks that project kind, chip family and core of a board go together."""

from __future__ import annotations

from tinyanime.boards.schema import Board, ProjectKind
from tinyanime.codegen.errors import BoardError

_FAMILIES = {ProjectKind.POSIX: "posix", ProjectKind.ESP_IDF: "esp_idf"}
"""Families that serve one kind of project, which takes no other."""
_HOST = "host"


def check_project(board: Board) -> None:
    """Raises BoardError where a project of that kind cannot be made for the board."""
    if board.project is ProjectKind.NUTTX:
        raise BoardError(
            f"{board.source}: key 'project' is 'nuttx', which is no firmware of its own.",
            hint="Leave the key out, describe NuttX in a table [nuttx], compile with --rtos nuttx.",
        )
    family = _FAMILIES.get(board.project)
    if family is not None and board.family != family:
        raise BoardError(
            f"{board.source}: project kind '{board.project.value}' does not go with family '{board.family}'.",
            hint=f'Write family = "{family}", or leave project out for firmware without an operating system.',
        )
    needed = next((kind for kind, name in _FAMILIES.items() if name == board.family), board.project)
    if board.project is not needed:
        raise BoardError(
            f"{board.source}: family '{board.family}' does not go with project kind '{board.project.value}'.",
            hint=f'Write project = "{needed.value}", or name the chip\'s own family.',
        )
    if (board.core == _HOST) is not (board.project is ProjectKind.POSIX):
        raise BoardError(
            f"{board.source}: core '{board.core}' does not go with project kind '{board.project.value}'.",
            hint="The core 'host' and the project kind 'posix' are this computer's, both or none.",
        )
    if not board.uart.baud and board.project is not ProjectKind.POSIX:
        raise BoardError(
            f"{board.source}: key 'uart.baud' is 0.", hint="Give the speed of the serial port, such as 921_600."
        )
