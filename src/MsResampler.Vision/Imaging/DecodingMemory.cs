namespace MsResampler.Vision;

/// <summary>The memory in which all threads of the process together read and decode images. An image waits until its
/// memory is free, in order of arrival; one that needs more than the limit is an error.</summary>
public static class DecodingMemory
{
    private const long DefaultCapacity = 512L << 20;

    /// <summary>The limit in bytes; 512 MiB by default. It contains the encoded bytes that are read from files and
    /// streams (at most a quarter of it), what Skia and its libraries allocate to decode, the rows that the filter
    /// needs, and the prepared image until it is returned. If it changes, images that are being decoded are not
    /// affected.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not positive.</exception>
    public static long Capacity
    {
        get => Budget.Capacity;
        set => Budget.Capacity = value;
    }

    /// <summary>The budget of the process.</summary>
    internal static DecodingBudget Budget { get; } = new(DefaultCapacity);
}
