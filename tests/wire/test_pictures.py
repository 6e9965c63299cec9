from __future__ import annotations

import ast
import random
import struct
import subprocess
import warnings
import zlib
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path

import pytest
from PIL import EpsImagePlugin, Image, ImageOps

from wire.pictures import FORMATS, UNKNOWN, UnreadablePicture, read_picture, to_rgb

ROOT = Path(__file__).resolve().parents[2]
SIZE = (23, 17)
TAKEN = tuple(name.upper() for name in FORMATS)
Image.init()


def colors() -> Image.Image:
    """A picture that no two pixels of are alike."""
    return Image.frombytes("RGB", SIZE, bytes(7 * i % 256 for i in range(3 * SIZE[0] * SIZE[1])))


def saved(name: str, image: Image.Image, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def saved_in(mode: str, name: str) -> bytes | None:
    try:
        return saved(name, colors().convert(mode))
    except (OSError, ValueError, KeyError):  # a format that has no such mode, or that other software has to write
        return None


def saved_in_any_mode() -> dict[str, bytes]:
    """A file of each format that Pillow writes, in the first mode that it can hold."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some formats are on their way out
        modes = ("RGB", "L", "1", "P", "RGBA", "F")
        found = {name: [saved_in(mode, name) for mode in modes] for name in sorted(Image.SAVE)}
    return {name: next(filter(None, files)) for name, files in found.items() if any(files)}


SAVED = saved_in_any_mode()


def upright(picture: Image.Image) -> Image.Image:
    return ImageOps.exif_transpose(picture).convert("RGB")


def reason(content: bytes, finish: Callable[[Image.Image], object] = upright) -> str:
    with pytest.raises(UnreadablePicture) as caught:
        read_picture(content, finish)
    return str(caught.value)


# --- which formats ---


def test_pillow_writes_the_six_and_many_others() -> None:
    assert set(TAKEN) < set(SAVED)
    assert {"EPS", "GIF", "ICNS", "ICO", "JPEG2000", "PPM", "SPIDER", "TGA", "XBM"} < set(SAVED)


@pytest.mark.parametrize("name", SAVED)
def test_only_the_named_formats_open(name: str) -> None:
    if name in TAKEN or name == "MPO":
        assert read_picture(SAVED[name], upright).size == SIZE
    else:
        assert reason(SAVED[name]) == UNKNOWN


def test_no_other_decoder_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def note(name: str) -> Callable[..., Image.Image]:
        def factory(*_arguments: object) -> Image.Image:
            asked.append(name)
            raise SyntaxError("not mine")

        return factory

    for name in Image.OPEN:
        monkeypatch.setitem(Image.OPEN, name, (note(name), None))
    assert reason(b"anything") == UNKNOWN
    assert asked == list(TAKEN)


def test_a_fits_file_that_pillow_opens_is_refused() -> None:
    cards = ("SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 4", "NAXIS2  = 4", "END")
    content = "".join(card.ljust(80) for card in cards).ljust(2880).encode() + bytes(2880)
    assert Image.open(BytesIO(content)).format == "FITS"
    assert reason(content) == UNKNOWN


def test_a_pillow_without_one_of_the_formats_reads_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(Image.OPEN, "AVIF")
    assert read_picture(SAVED["PNG"], upright).tobytes() == colors().tobytes()
    assert reason(SAVED["AVIF"]) == UNKNOWN


def test_a_phone_s_jpeg_of_two_pictures_gives_the_first() -> None:
    content = saved("MPO", colors(), save_all=True, append_images=[colors().rotate(180)])
    assert Image.open(BytesIO(content)).format == "MPO"
    first = Image.open(BytesIO(saved("JPEG", colors()))).tobytes()
    assert read_picture(content, upright).tobytes() == first


@pytest.mark.parametrize("name", ["PNG", "TIFF", "WEBP", "AVIF"])
def test_of_several_pages_or_frames_the_first_is_taken(name: str) -> None:
    lossless = {"lossless": True} if name == "WEBP" else {"quality": 100, "subsampling": "4:4:4"}
    many = saved(name, colors(), save_all=True, append_images=[Image.new("RGB", SIZE)], **lossless)
    found = read_picture(many, upright)
    assert found.getpixel((5, 5)) != (0, 0, 0)
    assert name == "AVIF" or found.tobytes() == colors().tobytes()


# --- pixels ---


def deep(order: str = "<") -> Image.Image:
    """All 16-bit values, a row for each high byte."""
    mode = "I;16B" if order == ">" else "I;16"
    return Image.frombytes(mode, (256, 256), struct.pack(f"{order}65536H", *range(65536)))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("name", ["PNG", "TIFF"])
def test_sixteen_bit_gray_keeps_its_high_byte(name: str, order: str) -> None:
    rows = bytes(value for value in range(256) for _ in range(256 * 3))
    assert to_rgb(deep(order)).tobytes() == rows
    assert read_picture(saved(name, deep(order)), to_rgb).tobytes() == rows


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK"])
def test_other_modes_are_pillow_s_conversion(mode: str) -> None:
    picture = colors().convert(mode)
    assert to_rgb(picture).tobytes() == picture.convert("RGB").tobytes()


@pytest.mark.parametrize("mode", ["I", "F"])
def test_pixels_without_a_range_are_refused(mode: str) -> None:
    assert f"pixels of mode {mode} have no range" in reason(saved("TIFF", colors().convert("L").convert(mode)), to_rgb)


def test_turned_only_when_asked_and_a_webp_never() -> None:
    tags = Image.Exif()
    tags[0x0112] = 6
    for name, sizes in {"PNG": (SIZE, SIZE[::-1]), "JPEG": (SIZE, SIZE[::-1]), "WEBP": (SIZE, SIZE)}.items():
        content = saved(name, colors(), exif=tags)
        found = [read_picture(content, partial(to_rgb, turned=turned)).size for turned in (False, True)]
        assert tuple(found) == sizes


# --- programs ---


def plant_ghostscript(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a ``gs`` in front of all others; the file returned is there once it has been started."""
    mark, program = folder / "started", folder / "bin" / "gs"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> "{mark}"\n[ "$1" = --version ]\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)  # where it keeps what it found
    return mark


def with_preview(postscript: bytes) -> bytes:
    """EPS as DOS programs wrote it: a header, the PostScript, a TIFF to show meanwhile."""
    preview = SAVED["TIFF"]
    places = (32, len(postscript), 0, 0, 32 + len(postscript), len(preview))
    return b"\xc5\xd0\xd3\xc6" + struct.pack("<6I", *places) + b"\xff\xff\0\0" + postscript + preview


def in_iptc(content: bytes) -> bytes:
    """An IPTC file that calls its content a JPEG; Pillow opens whatever it is."""
    fields = [(3, 60, b"\1\0"), (3, 20, b"\0\4"), (3, 30, b"\0\4"), (3, 120, b"\5"), (8, 10, content)]
    return b"".join(struct.pack(">BBBH", 0x1C, *kind, len(data)) + data for *kind, data in fields) + bytes(5)


POSTSCRIPT = saved("EPS", Image.new("RGB", (4, 4)))
PROGRAMS = {"plain": POSTSCRIPT, "with a preview": with_preview(POSTSCRIPT), "in IPTC": in_iptc(POSTSCRIPT)}


@pytest.mark.parametrize("content", PROGRAMS.values(), ids=PROGRAMS)
def test_postscript_starts_nothing(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = plant_ghostscript(tmp_path, monkeypatch)
    assert reason(content) == UNKNOWN
    assert not mark.exists()


@pytest.mark.parametrize("content", PROGRAMS.values(), ids=PROGRAMS)
def test_left_alone_pillow_starts_ghostscript(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = plant_ghostscript(tmp_path, monkeypatch)
    with pytest.raises(subprocess.CalledProcessError):
        Image.open(BytesIO(content)).load()
    assert "-sDEVICE=" in mark.read_text()


@pytest.mark.parametrize("name", TAKEN)
@pytest.mark.parametrize("place", ["behind", "as metadata"])
def test_postscript_within_a_picture_starts_nothing(
    name: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = plant_ghostscript(tmp_path, monkeypatch)
    metadata = {"icc_profile": POSTSCRIPT, "comment": POSTSCRIPT} if place == "as metadata" else {}
    content = saved(name, colors(), **metadata) + POSTSCRIPT
    assert read_picture(content, upright).size == SIZE
    assert not mark.exists()


# --- one kind of error ---


ODD = [
    *(
        KeyError("1;R"),
        ZeroDivisionError("division by zero"),
        RuntimeError("x"),
        MemoryError(),
        OverflowError("x" * 9000),
    ),
    *(
        AssertionError(),
        struct.error("unpack requires 4 bytes"),
        NotImplementedError(),
        RecursionError(),
        zlib.error("x"),
    ),
    *(
        subprocess.CalledProcessError(1, ["/tmp/x/gs"]),
        OSError(2, "No such file", "/tmp/x/gs"),
        EOFError(),
        TypeError("x"),
    ),
    *(
        AttributeError("<object at 0x7f0123456789>"),
        ValueError("two\nlines"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x"),
    ),
    *(Image.DecompressionBombError("too large"), Exception("\x1b[31mred"), StopIteration(), IndexError("out of range")),
]


@pytest.mark.parametrize("error", ODD, ids=lambda error: type(error).__name__)
def test_whatever_a_decoder_raises_is_one_kind_of_error(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(*_arguments: object) -> Image.Image:
        raise error

    while_decoding = reason(SAVED["PNG"], raises)
    assert while_decoding.startswith("image cannot be decoded (")
    assert_plain(while_decoding)
    monkeypatch.setitem(Image.OPEN, "PNG", (raises, None))
    assert_plain(reason(SAVED["PNG"]))


def assert_plain(text: str) -> None:
    """One short line without a path, a memory address or a control character."""
    assert text.isprintable()
    assert text.isascii()
    assert not {"/", "\n"} & set(text)
    assert "0x" not in text
    assert len(text) < 300


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_interruption_is_let_through(kind: type[BaseException]) -> None:
    def interrupted(_picture: Image.Image) -> None:
        raise kind

    with pytest.raises(kind):
        read_picture(SAVED["PNG"], interrupted)


def test_what_a_decoder_says_is_told() -> None:
    assert reason(SAVED["BMP"][:-9]) == "image cannot be decoded (image file is truncated (63 bytes not processed))"


@pytest.mark.parametrize("name", TAKEN)
def test_a_picture_too_large_is_refused_before_it_is_decoded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Image, "MAX_IMAGE_PIXELS", SIZE[0] * SIZE[1] // 2 - 1
    )  # it warns here, and refuses at twice that
    seen: list[Image.Image] = []
    assert "exceeds limit" in reason(SAVED[name], seen.append)
    assert not seen


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunks(*chunks: bytes) -> bytes:
    """A PNG with chunks behind its header."""
    return SAVED["PNG"][:33] + b"".join(chunks) + SAVED["PNG"][33:]


BOMB = zlib.compress(bytes(50_000_000), 9)
MEGABYTE = zlib.compress(b" " * 1_000_000, 9)
BOMBS = {
    "zTXt": with_chunks(chunk(b"zTXt", b"key\0\0" + BOMB)),
    "iTXt": with_chunks(chunk(b"iTXt", b"key\0\1\0\0\0" + BOMB)),
    "many": with_chunks(*(chunk(b"zTXt", b"key%d\0\0" % i + MEGABYTE) for i in range(80))),
}


@pytest.mark.parametrize("content", BOMBS.values(), ids=BOMBS)
def test_metadata_that_unfold_without_end_are_refused(content: bytes) -> None:
    assert reason(content).startswith("image cannot be decoded (")


def avif_without_pixels() -> bytes:
    """An AVIF whose compressed data are zeros; Pillow has a RuntimeError for it."""
    content = SAVED["AVIF"]
    start = content.index(b"mdat") + 4
    return content[:start] + bytes(len(content) - start)


def test_a_damaged_avif_is_unreadable() -> None:
    with pytest.raises(RuntimeError):
        Image.open(BytesIO(avif_without_pixels())).load()
    assert reason(avif_without_pixels()).startswith("image cannot be decoded (")


MODES = {
    "PNG": ("RGB", "P", "L", "1", "RGBA"),
    "JPEG": ("RGB", "L", "CMYK"),
    "WEBP": ("RGB", "RGBA"),
    "BMP": ("RGB", "P", "L", "1"),
    "TIFF": ("RGB", "P", "L", "1", "RGBA", "CMYK", "F"),
    "AVIF": ("RGB", "RGBA", "L"),
}


def varieties(name: str) -> list[bytes]:
    """Files of a format in several modes and compressions, with metadata."""
    turned = Image.Exif()
    turned[0x0112] = 6
    metadata = {} if name == "BMP" else {"exif": turned, "icc_profile": b"x" * 99}
    files = [saved(name, colors().convert(mode), **metadata) for mode in MODES[name]]
    if name == "TIFF":
        files += [saved(name, colors(), compression=how) for how in ("tiff_lzw", "jpeg", "tiff_adobe_deflate")]
    if name == "JPEG":
        files += [SAVED["MPO"], saved(name, colors(), progressive=True)]
    return files


def damaged(content: bytes, chance: random.Random) -> bytes:
    """The file with a few bytes set, removed, put in or cut off; mostly near its start, where the header is."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4))):
        at = chance.randrange(min(len(data), chance.choice((160, len(data)))))
        some = chance.choice((bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\x80", chance.randbytes(3)))
        change = chance.choice(("set", "set", "set", "remove", "put in", "cut off"))
        if change == "cut off":
            data = data[: at + 1]
        else:
            data[at : at + {"set": len(some), "remove": 5, "put in": 0}[change]] = b"" if change == "remove" else some
        data = data or bytearray(1)
    return bytes(data)


def small_and_upright(picture: Image.Image) -> Image.Image:
    if (
        picture.width * picture.height > 1_000_000
    ):  # a damaged header may ask for anything; memory is not the matter here
        raise ValueError("too large")
    return upright(picture)


@pytest.mark.filterwarnings("ignore")  # of Pillow, about what it reads nevertheless
@pytest.mark.parametrize("name", TAKEN)
def test_damaged_files_open_or_are_unreadable_and_nothing_else(name: str) -> None:
    chance, files = random.Random(name), varieties(name)
    faults = [fault_of(damaged(files[turn % len(files)], chance)) for turn in range(1500)]
    unreadable = [fault for fault in faults if fault is not None]
    assert 5 < len(unreadable) < 1495
    assert len({type(fault.__cause__) for fault in unreadable}) > 1
    for fault in unreadable:
        assert_plain(str(fault))


def fault_of(content: bytes) -> UnreadablePicture | None:
    try:
        read_picture(content, small_and_upright)
    except UnreadablePicture as fault:
        return fault
    return None


# --- nobody else opens images ---


def opened_elsewhere(source: str) -> list[int]:
    """The lines of a module that name a function which opens image files."""
    banned = {"Image.open", "ImageFile.Parser", "cv2.imread", "mmcv.imread", "plt.imread", "imageio.imread"}
    nodes = ast.walk(ast.parse(source))
    names = [(node.lineno, ast.unparse(node)) for node in nodes if isinstance(node, ast.Attribute)]
    return [line for line, name in names if any(f".{name}".endswith(f".{one}") for one in banned)]


def test_nobody_else_opens_images() -> None:
    folders = ("wire", "harness", "generation", "geneval", "rewards", "reports", "bench", "envs")
    modules = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    found = {str(path.relative_to(ROOT)): opened_elsewhere(path.read_text()) for path in modules}
    assert {name: len(lines) for name, lines in found.items() if lines} == {"wire/pictures.py": 1}
