using System.Collections.Concurrent;

namespace MsResampler.Kernels.Compiler;

/// <summary>Values by key. Each is created once, by the first thread that asks for it, while others that ask for it
/// wait and all other keys stay usable. An exception is given to the threads that waited and is not kept: the next
/// thread tries again. Members may be called from several threads.</summary>
internal sealed class OnceTable<TKey, TValue>
    where TKey : notnull
{
    private readonly ConcurrentDictionary<TKey, Task<TValue>> _entries = new();

    /// <summary>The value of a key.</summary>
    /// <param name="key">The key.</param>
    /// <param name="create">Creates the value.</param>
    public TValue Get(TKey key, Func<TKey, TValue> create)
    {
        if (!_entries.TryGetValue(key, out Task<TValue>? entry))
        {
            TaskCompletionSource<TValue> created = new();
            entry = _entries.GetOrAdd(key, created.Task);
            if (entry == created.Task)
                Create(key, create, created);
        }

        // Threads of the pool that wait for a task are replaced by others; those that wait for a lock are not, and
        // creating a value may need threads of the pool.
        return entry.GetAwaiter().GetResult();
    }

    private void Create(TKey key, Func<TKey, TValue> create, TaskCompletionSource<TValue> created)
    {
        try
        {
            created.SetResult(create(key));
        }
        catch (Exception exception)
        {
            _entries.TryRemove(key, out _);
            created.SetException(exception);
        }
    }
}
