using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using MsResampler.Model;

namespace MsResampler.Cpu.Integer;

/// <summary>512-bit products of AVX-512BW. One instruction adds pairs of 16-bit products, another adds them to the
/// sums. 8-bit weights are widened when they are loaded.</summary>
/// <remarks>A pair of products is at most 2·255·127 or 2·32,767² in magnitude and within 32 bits.</remarks>
internal sealed unsafe class Avx512BwKernel : IntegerKernel
{
    public override string Name => "avx512bw";

    public override string Variant => "avx512";

    public override bool IsSupported => Avx512BW.IsSupported;

    public override int PanelWidth => 4 * Vector512<int>.Count;

    public override bool HasByteActivations => false;

    public override void MultiplyInt8(IntegerTile* tile)
        => IntegerTiles<Int8Product, Vector512<short>, Vector512<int>>.FourVectors(tile);

    public override void MultiplyInt16(IntegerTile* tile)
        => IntegerTiles<Int16Product, Vector512<short>, Vector512<int>>.FourVectors(tile);

    public override void Multiply(IntegerTile* tile, IntegerType type, int width)
    {
        int vectorCount = width / Vector512<int>.Count;
        if (type == IntegerType.Int8)
            IntegerTiles<Int8Product, Vector512<short>, Vector512<int>>.Vectors(tile, vectorCount);
        else
            IntegerTiles<Int16Product, Vector512<short>, Vector512<int>>.Vectors(tile, vectorCount);
    }

    private readonly struct Int8Product : IIntegerProduct<Vector512<short>, Vector512<int>>
    {
        public static int Width => Vector512<int>.Count;

        public static int VectorBytes => Vector256<sbyte>.Count;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<short> Load(byte* weights)
            => Avx512BW.ConvertToVector512Int16(Vector256.Load((sbyte*)weights));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<short> Broadcast(int* step) => Vector512.Create(*step).AsInt16();

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<int> Add(Vector512<int> sum, Vector512<short> activations, Vector512<short> weights)
            => sum + Avx512BW.MultiplyAddAdjacent(activations, weights);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Store(int* destination, Vector512<int> sum) => sum.Store(destination);
    }

    private readonly struct Int16Product : IIntegerProduct<Vector512<short>, Vector512<int>>
    {
        public static int Width => Vector512<int>.Count;

        public static int VectorBytes => Vector512<byte>.Count;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<short> Load(byte* weights) => Vector512.Load((short*)weights);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<short> Broadcast(int* step) => Int8Product.Broadcast(step);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<int> Add(Vector512<int> sum, Vector512<short> activations, Vector512<short> weights)
            => Int8Product.Add(sum, activations, weights);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Store(int* destination, Vector512<int> sum) => sum.Store(destination);
    }
}
