namespace MsResampler.Scenes;

/// <summary>Random numbers that depend only on a seed, the index of a scene and the purpose, on every machine: the
/// sequence SplitMix64 (Steele, Lea and Flood, 2014).</summary>
internal struct SceneRandom
{
    private const ulong Increment = 0x9E3779B97F4A7C15;

    private ulong _state;

    public SceneRandom(ulong seed, long index, int purpose)
    {
        _state = Mix(seed + Increment);
        _state = Mix(_state + (ulong)index + Increment);
        _state = Mix(_state + (ulong)purpose + Increment);
    }

    public ulong Next() => Mix(_state += Increment);

    /// <summary>A whole number below <paramref name="end"/>, each equally likely to 1 part in 2³².</summary>
    public int Below(int end) => (int)(((Next() >> 32) * (ulong)end) >> 32);

    /// <summary>A whole number from <paramref name="first"/> to <paramref name="last"/>, both included.</summary>
    public int Between(int first, int last) => first + Below(last - first + 1);

    /// <summary>A number in [0, 1).</summary>
    public float Unit() => (Next() >> 40) * (1f / (1 << 24));

    /// <summary>An approximately normal number with mean 0 and variance 1: the scaled sum of four uniform
    /// ones.</summary>
    public float Normal()
    {
        ulong bits = Next();
        int sum = (ushort)bits + (ushort)(bits >> 16) + (ushort)(bits >> 32) + (int)(bits >> 48);
        return (sum - (2 * 65535)) * (1.7320508f / 65536);
    }

    public bool Coin() => Next() >> 63 != 0;

    public void Shuffle<T>(Span<T> items)
    {
        for (int last = items.Length - 1; last > 0; last--)
        {
            int other = Below(last + 1);
            (items[last], items[other]) = (items[other], items[last]);
        }
    }

    private static ulong Mix(ulong bits)
    {
        bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9;
        bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EB;
        return bits ^ (bits >> 31);
    }
}
