using System.Runtime.CompilerServices;

namespace MsResampler.Cpu.Integer;

/// <summary>Register tiles of integer products, of six rows by two or four vectors of columns: the counterpart of
/// <see cref="MicroKernel{TSimd,TVector}"/>.</summary>
/// <remarks>Six rows by two vectors are 12 sums, 2 vectors of weights, a broadcast and, without an instruction that
/// adds products, a product: 16 registers. Six rows by four vectors need 30 registers.</remarks>
internal static unsafe class IntegerTiles<TProduct, TOperand, TSum>
    where TProduct : struct, IIntegerProduct<TOperand, TSum>
    where TOperand : struct
    where TSum : struct
{
    /// <summary>Computes a tile of two vectors of columns.</summary>
    public static void TwoVectors(IntegerTile* tile) => Multiply<Row2>(tile, 2, 0);

    /// <summary>Computes a tile of four vectors of columns, two at a time.</summary>
    public static void TwiceTwoVectors(IntegerTile* tile)
    {
        Multiply<Row2>(tile, 4, 0);
        Multiply<Row2>(tile, 4, 2);
    }

    /// <summary>Computes a tile of four vectors of columns.</summary>
    public static void FourVectors(IntegerTile* tile) => Multiply<Row4>(tile, 4, 0);

    /// <summary>Computes a tile of one to four vectors of columns.</summary>
    public static void Vectors(IntegerTile* tile, int vectorCount)
    {
        switch (vectorCount)
        {
            case 1:
                Multiply<Row1>(tile, 1, 0);
                break;
            case 2:
                Multiply<Row2>(tile, 2, 0);
                break;
            case 3:
                Multiply<Row2>(tile, 3, 0);
                Multiply<Row1>(tile, 3, 2);
                break;
            default:
                Multiply<Row4>(tile, 4, 0);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply<TRow>(IntegerTile* tile, nint vectorCount, nint firstVector)
        where TRow : struct, ITileRow<TRow>
    {
        int* a0 = tile->Row0, a1 = tile->Row1, a2 = tile->Row2, a3 = tile->Row3, a4 = tile->Row4, a5 = tile->Row5;
        byte* panel = (byte*)tile->Panel + (firstVector * TProduct.VectorBytes);
        nint stepBytes = vectorCount * TProduct.VectorBytes;
        nint stride = tile->StepStride;
        nint end = tile->StepCount * stride;
        TRow c0 = default, c1 = default, c2 = default, c3 = default, c4 = default, c5 = default;
        for (nint step = 0; step < end; step += stride, panel += stepBytes)
        {
            TRow.Load(panel, out Weights b);
            c0.Add(TProduct.Broadcast(a0 + step), in b);
            c1.Add(TProduct.Broadcast(a1 + step), in b);
            c2.Add(TProduct.Broadcast(a2 + step), in b);
            c3.Add(TProduct.Broadcast(a3 + step), in b);
            c4.Add(TProduct.Broadcast(a4 + step), in b);
            c5.Add(TProduct.Broadcast(a5 + step), in b);
        }

        int* sums = tile->Sums + (firstVector * TProduct.Width);
        nint columns = vectorCount * TProduct.Width;
        c0.Store(sums);
        c1.Store(sums += columns);
        c2.Store(sums += columns);
        c3.Store(sums += columns);
        c4.Store(sums += columns);
        c5.Store(sums + columns);
    }

    /// <summary>The sums of a row.</summary>
    private interface ITileRow<TSelf>
        where TSelf : struct, ITileRow<TSelf>
    {
        static abstract void Load(byte* panel, out Weights weights);

        void Add(TOperand activations, in Weights weights);

        void Store(int* destination);
    }

    /// <summary>A step of weights: one, two or four vectors.</summary>
    private struct Weights
    {
        public TOperand V0, V1, V2, V3;
    }

    private struct Row1 : ITileRow<Row1>
    {
        private TSum _v0;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Load(byte* panel, out Weights weights)
        {
            Unsafe.SkipInit(out weights);
            weights.V0 = TProduct.Load(panel);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Add(TOperand activations, in Weights weights)
            => _v0 = TProduct.Add(_v0, activations, weights.V0);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public readonly void Store(int* destination) => TProduct.Store(destination, _v0);
    }

    private struct Row2 : ITileRow<Row2>
    {
        private TSum _v0, _v1;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Load(byte* panel, out Weights weights)
        {
            Unsafe.SkipInit(out weights);
            weights.V0 = TProduct.Load(panel);
            weights.V1 = TProduct.Load(panel + TProduct.VectorBytes);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Add(TOperand activations, in Weights weights)
        {
            _v0 = TProduct.Add(_v0, activations, weights.V0);
            _v1 = TProduct.Add(_v1, activations, weights.V1);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public readonly void Store(int* destination)
        {
            TProduct.Store(destination, _v0);
            TProduct.Store(destination + TProduct.Width, _v1);
        }
    }

    private struct Row4 : ITileRow<Row4>
    {
        private TSum _v0, _v1, _v2, _v3;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Load(byte* panel, out Weights weights)
        {
            weights.V0 = TProduct.Load(panel);
            weights.V1 = TProduct.Load(panel + TProduct.VectorBytes);
            weights.V2 = TProduct.Load(panel + (2 * TProduct.VectorBytes));
            weights.V3 = TProduct.Load(panel + (3 * TProduct.VectorBytes));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Add(TOperand activations, in Weights weights)
        {
            _v0 = TProduct.Add(_v0, activations, weights.V0);
            _v1 = TProduct.Add(_v1, activations, weights.V1);
            _v2 = TProduct.Add(_v2, activations, weights.V2);
            _v3 = TProduct.Add(_v3, activations, weights.V3);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public readonly void Store(int* destination)
        {
            TProduct.Store(destination, _v0);
            TProduct.Store(destination + TProduct.Width, _v1);
            TProduct.Store(destination + (2 * TProduct.Width), _v2);
            TProduct.Store(destination + (3 * TProduct.Width), _v3);
        }
    }
}
