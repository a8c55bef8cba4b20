/* One translation unit for the compiler to chew on: needs no header, holds the things C programs are made of
   (a hash table with lists, a sort, a parser, an image filter), and instantiates them for several types. */
typedef unsigned long size;

static size length_of(const char* s) {
    size n = 0;
    while (s[n]) n++;
    return n;
}

#define MODULE(NAME, TYPE, BUCKETS, SCALE)                                                               \
    struct NAME##_entry {                                                                                \
        struct NAME##_entry* next;                                                                       \
        const char* key;                                                                                 \
        TYPE value;                                                                                      \
    };                                                                                                   \
    struct NAME##_table {                                                                                \
        struct NAME##_entry* bucket[BUCKETS];                                                            \
        struct NAME##_entry pool[BUCKETS * 4];                                                           \
        size used;                                                                                       \
    };                                                                                                   \
    static size NAME##_hash(const char* key) {                                                           \
        size h = 2166136261u;                                                                            \
        for (size i = 0, n = length_of(key); i < n; i++)                                                 \
            h = (h ^ (unsigned char)key[i]) * 16777619u + (h >> 7);                                      \
        return h % BUCKETS;                                                                              \
    }                                                                                                    \
    TYPE* NAME##_find(struct NAME##_table* table, const char* key) {                                     \
        for (struct NAME##_entry* e = table->bucket[NAME##_hash(key)]; e; e = e->next) {                 \
            const char *a = e->key, *b = key;                                                            \
            while (*a && *a == *b) a++, b++;                                                             \
            if (*a == *b) return &e->value;                                                              \
        }                                                                                                \
        return 0;                                                                                        \
    }                                                                                                    \
    int NAME##_put(struct NAME##_table* table, const char* key, TYPE value) {                            \
        TYPE* old = NAME##_find(table, key);                                                             \
        if (old) {                                                                                       \
            *old = value;                                                                                \
            return 1;                                                                                    \
        }                                                                                                \
        if (table->used == BUCKETS * 4) return -1;                                                       \
        struct NAME##_entry *e = &table->pool[table->used++], **head = &table->bucket[NAME##_hash(key)]; \
        e->key = key, e->value = value, e->next = *head, *head = e;                                      \
        return 0;                                                                                        \
    }                                                                                                    \
    void NAME##_sort(TYPE* items, long count) {                                                          \
        while (count > 1) {                                                                              \
            TYPE pivot = items[count / 2];                                                               \
            long low = 0, high = count - 1;                                                              \
            while (low <= high) {                                                                        \
                while (items[low] < pivot) low++;                                                        \
                while (pivot < items[high]) high--;                                                      \
                if (low <= high) {                                                                       \
                    TYPE swap = items[low];                                                              \
                    items[low++] = items[high];                                                          \
                    items[high--] = swap;                                                                \
                }                                                                                        \
            }                                                                                            \
            NAME##_sort(items + low, count - low);                                                       \
            count = high + 1;                                                                            \
        }                                                                                                \
    }                                                                                                    \
    static TYPE NAME##_sum(const char** at);                                                             \
    static TYPE NAME##_atom(const char** at) {                                                           \
        TYPE value = 0;                                                                                  \
        switch (**at) {                                                                                  \
            case '(':                                                                                    \
                ++*at;                                                                                   \
                value = NAME##_sum(at);                                                                  \
                *at += **at == ')';                                                                      \
                return value;                                                                            \
            case '-': ++*at; return -NAME##_atom(at);                                                    \
            case '#': ++*at; return SCALE;                                                               \
            default:                                                                                     \
                for (; **at >= '0' && **at <= '9'; ++*at) value = value * 10 + (**at - '0');             \
                return value;                                                                            \
        }                                                                                                \
    }                                                                                                    \
    static TYPE NAME##_product(const char** at) {                                                        \
        TYPE value = NAME##_atom(at);                                                                    \
        for (;;) {                                                                                       \
            if (**at == '*') {                                                                           \
                ++*at;                                                                                   \
                value *= NAME##_atom(at);                                                                \
            } else if (**at == '/') {                                                                    \
                ++*at;                                                                                   \
                TYPE by = NAME##_atom(at);                                                               \
                value = by != 0 ? value / by : 0;                                                        \
            } else {                                                                                     \
                return value;                                                                            \
            }                                                                                            \
        }                                                                                                \
    }                                                                                                    \
    static TYPE NAME##_sum(const char** at) {                                                            \
        TYPE value = NAME##_product(at);                                                                 \
        while (**at == '+' || **at == '-') {                                                             \
            char op = *(*at)++;                                                                          \
            TYPE term = NAME##_product(at);                                                              \
            value = op == '+' ? value + term : value - term;                                             \
        }                                                                                                \
        return value;                                                                                    \
    }                                                                                                    \
    TYPE NAME##_evaluate(const char* text) { return NAME##_sum(&text); }                                 \
    void NAME##_blur(TYPE* to, const TYPE* from, long width, long height) {                              \
        for (long y = 1; y < height - 1; y++)                                                            \
            for (long x = 1; x < width - 1; x++) {                                                       \
                TYPE sum = 0;                                                                            \
                for (long j = -1; j <= 1; j++)                                                           \
                    for (long i = -1; i <= 1; i++)                                                       \
                        sum += from[(y + j) * width + x + i] * (TYPE)(2 - i * i) * (TYPE)(2 - j * j);    \
                to[y * width + x] = sum / SCALE;                                                         \
            }                                                                                            \
    }

MODULE(of_int, int, 64, 16)
MODULE(of_double, double, 64, 2.5)
MODULE(of_float, float, 256, 1.5f)
#ifdef LARGE
MODULE(of_char, signed char, 32, 2)
MODULE(of_short, short, 32, 4)
MODULE(of_long, long, 128, 32)
MODULE(of_long_long, long long, 512, 64)
MODULE(of_unsigned, unsigned, 64, 16u)
MODULE(of_bytes, unsigned char, 32, 2u)
MODULE(of_size, size, 1024, 128ul)
MODULE(of_words, unsigned short, 96, 3u)
MODULE(of_doubles, double, 1024, 0.75)
#endif
