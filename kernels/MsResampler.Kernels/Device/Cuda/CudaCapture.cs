using CudaError = ILGPU.Runtime.Cuda.CudaError;

namespace MsResampler.Kernels.Device.Cuda;

/// <summary>The recording of a graph. No method throws: after a failure there is no graph, and nothing remains of
/// the attempt. The context must be current for every call.</summary>
/// <remarks>Work is recorded on a temporary stream, so that a failed recording cannot affect the stream that the
/// work is meant for.</remarks>
internal ref struct CudaCapture
{
    /// <summary>The environment variable that disables graphs if it is 0.</summary>
    public const string Variable = "MSRESAMPLER_CUDA_GRAPHS";

    private bool _isOpen;

    private CudaCapture(nint stream)
    {
        Stream = stream;
        _isOpen = true;
    }

    /// <summary>The stream that records.</summary>
    public nint Stream { get; }

    /// <summary>Whether the driver can record graphs; drivers since CUDA 11.4 can.</summary>
    private static bool IsSupported { get; } = CudaLibrary.Exports("cuStreamBeginCapture_v2", "cuStreamEndCapture",
        "cuGraphInstantiateWithFlags", "cuGraphLaunch", "cuGraphDestroy", "cuGraphExecDestroy");

    /// <summary>Begins a recording. It must be disposed on the same thread.</summary>
    /// <returns>Whether the recording began.</returns>
    public static bool TryBegin(out CudaCapture capture)
    {
        capture = default;
        if (!IsSupported || Environment.GetEnvironmentVariable(Variable) == "0"
            || CudaNative.CreateStream(out nint stream, CudaNative.NonBlockingStream) != CudaError.CUDA_SUCCESS)
        {
            return false;
        }

        if (CudaNative.BeginCapture(stream, CudaNative.CaptureThreadLocal) != CudaError.CUDA_SUCCESS)
        {
            CudaLibrary.Api.DestroyStream(stream);
            return false;
        }

        capture = new CudaCapture(stream);
        return true;
    }

    /// <summary>Ends the recording.</summary>
    /// <returns>The executable graph, or 0 if there is none.</returns>
    public nint End()
    {
        nint graph = Close();
        if (graph == 0)
            return 0;
        CudaError error = CudaNative.InstantiateGraph(out nint executable, graph, 0);
        CudaNative.DestroyGraph(graph);
        return error == CudaError.CUDA_SUCCESS ? executable : 0;
    }

    /// <summary>Discards the recording unless it has ended, and destroys the stream.</summary>
    public void Dispose()
    {
        if (_isOpen && Close() is var graph and not 0)
            CudaNative.DestroyGraph(graph);
        CudaLibrary.Api.DestroyStream(Stream);
    }

    private nint Close()
    {
        _isOpen = false;
        return CudaNative.EndCapture(Stream, out nint graph) == CudaError.CUDA_SUCCESS ? graph : 0;
    }
}
