#include "kms/sigv4.h"
