/* NULL, or the first expectation of c99_program.c that does not hold. */
#ifndef KTHENA_TESTS_C_C99_PROGRAM_H
#define KTHENA_TESTS_C_C99_PROGRAM_H

#ifdef __cplusplus
extern "C"
#endif
    const char*
    kthena_c99_program(void);

#endif
