using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace PtxEmulator.Execution;

/// <summary>The elements of matrix registers, converted to float32.</summary>
internal static unsafe class MatrixElements
{
    // The exponent bias is 15 in float16 and 127 in float32.
    private const float HalfScale = 5.192296858534828e33f;

    /// <summary>Converts one element of the register of each thread.</summary>
    public static void Convert(byte* register, int half, PtxTypeKind kind, int elementBits, float* results)
    {
        for (int chunk = 0; chunk < Lanes.ChunkCount<uint>(); chunk++)
        {
            Vector512<uint> bits = Lanes.Load<uint>(register, chunk);
            if (elementBits == 16)
                bits = half == 0 ? bits & Vector512.Create(0xffffu) : bits >>> 16;
            Vector512.Store(ToSingle(bits, kind), results + (chunk * Vector512<float>.Count));
        }
    }

    /// <summary>Converts elements that are zero-extended to 32 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> ToSingle(Vector512<uint> bits, PtxTypeKind kind) => kind switch
    {
        PtxTypeKind.BFloat => (bits << 16).AsSingle(),
        // The hardware ignores the bits that tf32 lacks.
        PtxTypeKind.TensorFloat => (bits & Vector512.Create(0xffff_e000u)).AsSingle(),
        _ => HalfToSingle(bits),
    };

    private static Vector512<float> HalfToSingle(Vector512<uint> bits)
    {
        Vector512<uint> magnitude = (bits & Vector512.Create(0x7fffu)) << 13;
        Vector512<uint> sign = (bits & Vector512.Create(0x8000u)) << 16;
        Vector512<uint> special = Vector512.GreaterThanOrEqual(magnitude, Vector512.Create(0x7c00u << 13));
        Vector512<uint> scaled = (magnitude.AsSingle() * HalfScale).AsUInt32();
        return (Vector512.ConditionalSelect(special, magnitude | Vector512.Create(0x7f80_0000u), scaled) | sign)
            .AsSingle();
    }
}
