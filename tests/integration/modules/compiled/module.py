"""Uses libraries that keep state in compiled code, some of which one process can load but once."""

from __future__ import annotations

import bcrypt
import numpy as np
from cryptography.fernet import Fernet
from mgr_module import CLIReadCommand, HandleCommandResult, MgrModule


class Module(MgrModule):
    """See above."""

    @CLIReadCommand("hashed")
    def hashed(self, word: str) -> HandleCommandResult:
        """Tell whether a word survives a hash, a cipher and a matrix"""
        text = word.encode()
        fernet = Fernet(Fernet.generate_key())
        same = (
            bcrypt.checkpw(text, bcrypt.hashpw(text, bcrypt.gensalt(4)))
            and fernet.decrypt(fernet.encrypt(text)) == text
            and np.linalg.det(np.eye(3)) == 1
        )
        return HandleCommandResult(stdout=f"{self.module_name}: {same}")
