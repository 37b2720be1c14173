"""How the loops over text are compiled."""

from numba import njit

# numba counts a reference to every array that one compiled function hands to another, in atomic instructions: a
# function called for each token spends more time on that than on the token. The caller holds its arrays anyway. So the
# runtime that counts is left out, and with it all that needs it: a kernel makes no array and returns none.
kernel = njit(cache=True, nogil=True, _nrt=False)
