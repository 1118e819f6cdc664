/* A main for any fuzz target: runs the files (and the files of the directories) that it is given. Used in
 * `make check`, and with compilers that have no libFuzzer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static int replay_file(const char *path)
{
    enum { INPUT_BYTES_MAX = 1 << 20 };
    FILE *file = fopen(path, "rb");
    /* An exact copy, so that a sanitizer sees a byte too far. */
    uint8_t *bytes = malloc(INPUT_BYTES_MAX);
    if (!file || !bytes) {
        perror(path);
        if (file)
            (void)fclose(file);
        free(bytes);
        return 1;
    }
    size_t len = fread(bytes, 1, INPUT_BYTES_MAX, file);
    (void)fclose(file);
    uint8_t *exact = realloc(bytes, len ? len : 1);
    (void)LLVMFuzzerTestOneInput(exact ? exact : bytes, len);
    free(exact ? exact : bytes);
    return 0;
}

static int replay_path(const char *path, unsigned *count)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        perror(path);
        return 1;
    }
    if (!S_ISDIR(info.st_mode)) {
        ++*count;
        return replay_file(path);
    }
    DIR *directory = opendir(path);
    if (!directory) {
        perror(path);
        return 1;
    }
    int failed = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        char name[4096];
        if (entry->d_name[0] != '.' &&
            snprintf(name, sizeof(name), "%s/%s", path, entry->d_name) < (int)sizeof(name))
            failed |= replay_path(name, count);
    }
    (void)closedir(directory);
    return failed;
}

int main(int argc, char **argv)
{
    unsigned count = 0;
    int failed = argc < 2;
    for (int i = 1; i < argc; i++)
        failed |= replay_path(argv[i], &count);
    (void)printf("%u inputs replayed\n", count);
    return failed;
}
