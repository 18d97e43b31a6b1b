// A PKCS#11 module that hangs in C_Login, with the PIN in its hands; all else is MODULE's.
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <unistd.h>

static CK_FUNCTION_LIST functions;

static CK_RV hang(CK_SESSION_HANDLE session, CK_USER_TYPE user, unsigned char* pin,
                  unsigned long size) {
  (void)session, (void)user, (void)pin, (void)size;
  for (;;) pause();
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST** list) {
  void* module = dlopen(MODULE, RTLD_NOW | RTLD_LOCAL);
  if (module == NULL) return CKR_GENERAL_ERROR;
  CK_C_GetFunctionList get = (CK_C_GetFunctionList)dlsym(module, "C_GetFunctionList");
  CK_FUNCTION_LIST* real = NULL;
  const CK_RV result = get(&real);
  if (result != CKR_OK) return result;
  functions = *real;
  functions.C_Login = hang;
  *list = &functions;
  return CKR_OK;
}
