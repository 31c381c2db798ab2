using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MsResampler.Cpu.Integer;

/// <summary>256-bit products of AVX2. One instruction adds pairs of 16-bit products, another adds them to the sums.
/// 8-bit weights are widened when they are loaded.</summary>
/// <remarks>A pair of products is at most 2·255·127 or 2·32,767² in magnitude and within 32 bits.</remarks>
internal sealed unsafe class Avx2Kernel : IntegerKernel
{
    public override string Name => "avx2";

    public override string Variant => "avx2";

    public override bool IsSupported => Avx2.IsSupported;

    public override int PanelWidth => 2 * Vector256<int>.Count;

    public override bool HasByteActivations => false;

    public override void MultiplyInt8(IntegerTile* tile)
        => IntegerTiles<Int8Product, Vector256<short>, Vector256<int>>.TwoVectors(tile);

    public override void MultiplyInt16(IntegerTile* tile)
        => IntegerTiles<Int16Product, Vector256<short>, Vector256<int>>.TwoVectors(tile);

    private readonly struct Int8Product : IIntegerProduct<Vector256<short>, Vector256<int>>
    {
        public static int Width => Vector256<int>.Count;

        public static int VectorBytes => Vector128<sbyte>.Count;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<short> Load(byte* weights)
            => Avx2.ConvertToVector256Int16(Vector128.Load((sbyte*)weights));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<short> Broadcast(int* step) => Vector256.Create(*step).AsInt16();

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<int> Add(Vector256<int> sum, Vector256<short> activations, Vector256<short> weights)
            => sum + Avx2.MultiplyAddAdjacent(activations, weights);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Store(int* destination, Vector256<int> sum) => sum.Store(destination);
    }

    private readonly struct Int16Product : IIntegerProduct<Vector256<short>, Vector256<int>>
    {
        public static int Width => Vector256<int>.Count;

        public static int VectorBytes => Vector256<byte>.Count;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<short> Load(byte* weights) => Vector256.Load((short*)weights);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<short> Broadcast(int* step) => Int8Product.Broadcast(step);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<int> Add(Vector256<int> sum, Vector256<short> activations, Vector256<short> weights)
            => Int8Product.Add(sum, activations, weights);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Store(int* destination, Vector256<int> sum) => sum.Store(destination);
    }
}
