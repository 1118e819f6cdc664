#include "agent/base/resident.h"

#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

void resident_limit_heaps(int heaps)
{
    (void)mallopt(M_ARENA_MAX, heaps);
}

/* Segments that may be written hold relocations and data: they stay. */
static int unmap_segments(struct dl_phdr_info *object, size_t size, void *context)
{
    uintptr_t page = *(const uintptr_t *)context;
    (void)size;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || segment->p_flags & PF_W)
            continue;
        uintptr_t begin = (object->dlpi_addr + segment->p_vaddr) & ~(page - 1);
        uintptr_t end = (object->dlpi_addr + segment->p_vaddr + segment->p_memsz + page - 1) & ~(page - 1);
        /* A wish: where the kernel refuses (locked memory), the pages stay. */
        (void)madvise((void *)begin, end - begin, MADV_DONTNEED); /* NOLINT(performance-no-int-to-ptr) */
    }
    return 0;
}

void resident_trim(void)
{
    long page = sysconf(_SC_PAGESIZE);
    uintptr_t bytes = page > 0 ? (uintptr_t)page : 4096;
    (void)malloc_trim(0);
    (void)dl_iterate_phdr(unmap_segments, &bytes);
}
