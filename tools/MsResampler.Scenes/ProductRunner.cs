using System.Runtime.Intrinsics;
using MsResampler.Cpu;
using MsResampler.Cpu.Simd;
using MsResampler.Training.Products;

namespace MsResampler.Scenes;

/// <summary>Runs matrix products on the calling thread with the kernels of the trainer.</summary>
internal abstract class ProductRunner
{
    /// <summary>A runner with the instruction set that the engine uses.</summary>
    public static ProductRunner Create() => CpuVariant.Choose().Name switch
    {
        "avx512" => new Kernels<Simd512, Vector512<float>>(),
        "avx2" => new Kernels<Simd256, Vector256<float>>(),
        "vector128" => new Kernels<Simd128, Vector128<float>>(),
        _ => new Kernels<SimdScalar, float>(),
    };

    public abstract void Run(in MatrixProduct product);

    /// <summary>Adds the sums of the columns of a matrix without gaps.</summary>
    public abstract unsafe void AddColumnSums(float* matrix, int rowCount, int columnCount, float* sums);

    private sealed unsafe class Kernels<TSimd, TVector> : ProductRunner
        where TSimd : struct, ISimd<TVector>
    {
        private readonly AlignedBuffer _scratch = new(ProductKernel<TSimd, TVector>.ScratchCount);

        public override void Run(in MatrixProduct product)
        {
            for (int panel = 0; panel < ProductKernel<TSimd, TVector>.PanelCount(product); panel++)
                ProductKernel<TSimd, TVector>.Run(product, panel, 0, product.RowCount, _scratch.Pointer, isHeld: false,
                    CancellationToken.None);
        }

        public override void AddColumnSums(float* matrix, int rowCount, int columnCount, float* sums)
        {
            for (int task = 0; task < ColumnSums<TSimd, TVector>.TaskCount(columnCount); task++)
                ColumnSums<TSimd, TVector>.Add(task, matrix, columnCount, rowCount, columnCount, sums);
        }
    }
}
