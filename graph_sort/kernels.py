"""How the inner loops are compiled."""

from numba import njit

# numba counts a reference to every array that one compiled function hands to another, in atomic instructions: a
# function that looks at a few hundred numbers spends half its time on that. The caller holds its arrays anyway. So the
# runtime that counts is left out, and with it all that needs it: a kernel makes no array and returns none.
kernel = njit(cache=True, nogil=True, _nrt=False)
