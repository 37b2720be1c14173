"""Malay or Indonesian: by words that one of them has and the other spells or calls otherwise.

Both are one language's standards, and byte n-grams hardly tell them apart: of 600 texts of three Malay messages of
programs 111 were called Indonesian. What differs is spelling (kerana and karena, bahawa and bahwa), borrowing (kualiti
and kualitas, the months), and words of every day. Words that both have, in whatever sense, are left out.
"""

import functools

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sequitur.text_core.units.arrays import read_only
from sequitur.text_core.units.strings import Strings, from_arrow
from sequitur.text_core.units.words import word_table

MALAY = """
    kerana bahawa ialah iaitu sahaja mahu hendaklah dikurniakan awak isteri wang rosak bas esok selepas semasa tiada
    manakala pelbagai samarata samada sekiranya mestilah ianya semula sentiasa kerajaan syarikat warganegara polis
    hospital doktor pelajar cikgu universiti kualiti kuantiti aktiviti identiti komuniti prioriti fasiliti fail
    ralat senarai nombor tarikh mesej imej julat aksara akaun emel tetapan perisian pelayar pelayan paparan
    dipaparkan memaparkan cuba mencuba capaian skrin tetingkap tingkap pautan butang kekunci laluan saiz sifar
    maklumat mengandungi disokong menyokong berjaya kaedah amaran persekitaran sempadan automatik perniagaan
    televisyen filem muzik kalendar jadual ogos julai mac disember februari ahad isnin khamis jumaat ringgit
    bercakap almari kasut seluar basikal kerusi kedai bilik tandas lapan berbeza bilion dikehendaki dibenarkan
    membenarkan bandar inggeris perancis sepanyol jepun eropah
"""
INDONESIAN = """
    karena bahwa yaitu yakni bisa mau hendaknya dikaruniai butuh membutuhkan dibutuhkan istri pria uang mobil rusak
    sore besok setelah berbagai gak nggak banget perusahaan kantor provinsi serikat dokter siswa universitas
    kualitas kuantitas aktivitas identitas komunitas prioritas fasilitas berkas galat nomor tombol jendela tautan
    layar opsi coba mencoba hapus menghapus dihapus tampilkan menampilkan ditampilkan didukung mendukung memiliki
    bagian berbeda standar otomatis variabel tabel grup kode tipe informasi referensi silakan televisi musik agustus
    juli juni maret desember senin jumat rupiah lemari sepatu celana sepeda kursi toko gedung gratis delapan miliar
    pengadilan inggris prancis spanyol jepang eropa
"""


@functools.cache
def _telling() -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """The hashes of the words, ascending; and of each 1 for Malay, -1 for Indonesian."""
    table = word_table(from_arrow(pa.array([MALAY, INDONESIAN], pa.large_string())))
    order = np.argsort(table.hash)
    votes = np.where(np.arange(len(order)) < table.document_offsets[1], 1, -1)
    return read_only(table.hash[order], np.uint64), read_only(votes[order], np.int64)


def malay_votes(strings: Strings) -> npt.NDArray[np.int64]:
    """Words of Malay less words of Indonesian in each of n texts: int64[n], 0 where nothing tells."""
    hashes, votes = _telling()
    words = word_table(strings)
    place = np.minimum(np.searchsorted(hashes, words.hash), len(hashes) - 1)
    found = np.where(hashes[place] == words.hash, votes[place], 0)
    sums = np.concatenate(([0], np.cumsum(found)))
    counts: npt.NDArray[np.int64] = np.diff(sums[words.document_offsets])
    return counts
