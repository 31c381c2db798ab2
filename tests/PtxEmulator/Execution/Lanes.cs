using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace PtxEmulator.Execution;

/// <summary>The registers of a warp: 32 contiguous values of 4 or 8 bytes, processed 64 bytes at a time.</summary>
internal static unsafe class Lanes
{
    public const int Count = 32;
    public const uint All = uint.MaxValue;
    public const int ChunkBytes = 64;

    private static readonly Vector512<uint> s_bits32 = Powers<uint>();

    private static readonly Vector512<ulong> s_bits64 = Powers<ulong>();

    /// <summary>The number of chunks in a register with lanes of type <typeparamref name="T"/>.</summary>
    public static int ChunkCount<T>()
        where T : unmanaged
        => Count * sizeof(T) / ChunkBytes;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Load<T>(byte* register, int chunk)
        where T : unmanaged
        => Vector512.LoadAligned((T*)(register + (chunk * ChunkBytes)));

    /// <summary>Stores the lanes that are in the mask.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<T>(byte* register, int chunk, Vector512<T> value, uint mask)
        where T : unmanaged
    {
        T* destination = (T*)(register + (chunk * ChunkBytes));
        if (mask != All)
            value = Vector512.ConditionalSelect(Expand<T>(mask, chunk), value, Vector512.LoadAligned(destination));
        value.StoreAligned(destination);
    }

    /// <summary>The bits of the mask as lanes of ones or zeros.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Expand<T>(uint mask, int chunk)
        where T : unmanaged
    {
        if (sizeof(T) == sizeof(uint))
        {
            return Vector512.Equals(Vector512.Create(mask >> (chunk * Vector512<uint>.Count)) & s_bits32, s_bits32)
                .As<uint, T>();
        }
        return Vector512.Equals(Vector512.Create((ulong)(mask >> (chunk * Vector512<ulong>.Count))) & s_bits64,
            s_bits64).As<ulong, T>();
    }

    /// <summary>Reads one lane, zero-extended.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Get(byte* register, int lane, int laneBytes)
        => laneBytes == sizeof(ulong) ? ((ulong*)register)[lane] : ((uint*)register)[lane];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Set(byte* register, int lane, int laneBytes, ulong value)
    {
        if (laneBytes == sizeof(ulong))
            ((ulong*)register)[lane] = value;
        else
            ((uint*)register)[lane] = (uint)value;
    }

    /// <summary>Writes one value to all lanes.</summary>
    public static void Fill(byte* register, int laneBytes, ulong value)
    {
        if (laneBytes == sizeof(ulong))
            new Span<ulong>(register, Count).Fill(value);
        else
            new Span<uint>(register, Count).Fill((uint)value);
    }

    private static Vector512<T> Powers<T>()
        where T : unmanaged, System.Numerics.INumberBase<T>
    {
        Span<T> powers = stackalloc T[Vector512<T>.Count];
        T power = T.One;
        for (int lane = 0; lane < powers.Length; lane++, power += power)
            powers[lane] = power;
        return Vector512.Create<T>(powers);
    }
}
