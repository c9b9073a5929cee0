"""A `sops` that really decrypts: our stand-in where the real one is not installed. For tests of secrets.

It honours the command line and the file format as far as tests need them: names in clear, values as `ENC[...]`, each
encrypted with the real `age` where that is installed, else with a keystream of sha256; the key comes by
SOPS_AGE_KEY_FILE.
"""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

PROGRAM = """\
#!{python}
import sys
sys.path.insert(0, {here!r})
from helpers_sops import main
main(sys.argv[1:])
"""


def install(folder: Path) -> None:
    """Put the program `sops` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "sops"
    program.write_text(PROGRAM.format(python=sys.executable, here=str(Path(__file__).parent)))
    program.chmod(0o755)


def new_key(file: Path) -> None:
    """Make a key file."""
    if shutil.which("age-keygen"):
        subprocess.run(["age-keygen", "-o", str(file)], check=True, capture_output=True)
    else:
        file.write_bytes(os.urandom(32).hex().encode())


def encrypted(values: dict[str, str], key: Path) -> str:
    """An encrypted file, as JSON, which is YAML too."""
    return json.dumps({name: f"ENC[{_seal(value.encode(), key)}]" for name, value in values.items()}, indent=1)


def main(words: list[str]) -> None:
    """`sops --decrypt --input-type TYPE --output-type json FILE`."""
    key = os.environ.get("SOPS_AGE_KEY_FILE")
    if not key or not Path(key).exists():
        sys.exit("Failed to get the data key required to decrypt the SOPS file.")
    if words[0] != "--decrypt" or words[3:5] != ["--output-type", "json"]:
        sys.exit(f"unknown command line {words}")
    held = json.loads(Path(words[5]).read_text())
    print(json.dumps({name: _open(value[4:-1], Path(key)).decode() for name, value in held.items()}))


def _seal(data: bytes, key: Path) -> str:
    if not shutil.which("age"):
        return base64.b64encode(_stream(data, key.read_bytes())).decode()
    public = next(line.split()[-1] for line in key.read_text().splitlines() if "public key" in line)
    done = subprocess.run(["age", "-r", public], input=data, capture_output=True, check=True)
    return base64.b64encode(done.stdout).decode()


def _open(text: str, key: Path) -> bytes:
    data = base64.b64decode(text)
    if not shutil.which("age"):
        return _stream(data, key.read_bytes())
    return subprocess.run(["age", "-d", "-i", str(key)], input=data, capture_output=True, check=True).stdout


def _stream(data: bytes, key: bytes) -> bytes:
    pad = b"".join(hashlib.sha256(key + bytes([n])).digest() for n in range(len(data) // 32 + 1))
    return bytes(a ^ b for a, b in zip(data, pad, strict=False))
