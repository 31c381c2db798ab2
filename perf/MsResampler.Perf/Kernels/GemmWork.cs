using MsResampler.Cpu.Simd;

namespace MsResampler.Perf.Kernels;

/// <summary>A matrix product on a pool of threads. As in the engine, a task computes one panel of columns for a chunk
/// of rows.</summary>
internal sealed unsafe class GemmWork<TSimd, TVector>(float[] b, GemmShape shape) : IPhasedWork
    where TSimd : struct, ISimd<TVector>
{
    private const int ChunkRows = 288;

    private readonly PackedMatrix _b = PackedMatrix.FromTransposed<TSimd, TVector>(b, shape.Columns, shape.Inner);
    private readonly int _chunkCount = (shape.Rows + ChunkRows - 1) / ChunkRows;
    private float* _a;
    private float* _c;

    public int PhaseCount => 1;

    /// <summary>Sets A and C for the next run.</summary>
    public void Bind(float* a, float* c)
    {
        _a = a;
        _c = c;
    }

    public int TaskCount(int phase) => _b.PanelCount * _chunkCount;

    public void Execute(int phase, int task, int worker)
    {
        (int panel, int chunk) = Math.DivRem(task, _chunkCount);
        int row = chunk * ChunkRows;
        Gemm<TSimd, TVector>.Panel(_a + ((nint)row * shape.Inner), shape.Inner, Math.Min(ChunkRows, shape.Rows - row),
            _b, panel, _c + ((nint)row * shape.Columns), shape.Columns);
    }
}
