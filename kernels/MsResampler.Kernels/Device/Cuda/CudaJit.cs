using System.Text;
using CudaError = ILGPU.Runtime.Cuda.CudaError;

namespace MsResampler.Kernels.Device.Cuda;

/// <summary>The result of the driver's compiler from PTX to machine code.</summary>
/// <param name="Error">The error of the call that failed, or success.</param>
/// <param name="Call">The call that failed; empty if none did.</param>
/// <param name="Cubin">The machine code; empty after a failure.</param>
/// <param name="Milliseconds">The duration.</param>
/// <param name="Log">The messages of the compiler.</param>
internal sealed record CudaJit(CudaError Error, string Call, byte[] Cubin, double Milliseconds, string Log)
{
    private const int InfoLog = 3;
    private const int InfoLogBytes = 4;
    private const int ErrorLog = 5;
    private const int ErrorLogBytes = 6;
    private const int LogVerbose = 12;
    private const int LogBytes = 16 << 10;
    private const int PtxInput = 1;

    /// <summary>Compiles a text for the device of the current context.</summary>
    /// <param name="ptx">The text.</param>
    public static unsafe CudaJit Compile(string ptx)
    {
        byte[] text = Encoding.UTF8.GetBytes(ptx + "\0");
        byte[] logs = new byte[2 * LogBytes];
        byte[] cubin = [];
        long start = TimeProvider.System.GetTimestamp();
        CudaError error;
        string call = "";
        fixed (byte* info = logs)
        fixed (byte* source = text)
        {
            int* options = stackalloc int[] { InfoLog, InfoLogBytes, ErrorLog, ErrorLogBytes, LogVerbose };
            nint* values = stackalloc nint[] { (nint)info, LogBytes, (nint)(info + LogBytes), LogBytes, 1 };
            error = CudaNative.CreateLink(5, options, values, out nint link);
            if (error != CudaError.CUDA_SUCCESS)
                return new CudaJit(error, "cuLinkCreate", [], 0, "");
            error = CudaNative.AddToLink(link, PtxInput, source, (nuint)text.Length, null, 0, null, null);
            if (error != CudaError.CUDA_SUCCESS)
            {
                call = "cuLinkAddData";
            }
            else
            {
                error = CudaNative.CompleteLink(link, out byte* result, out nuint byteCount);
                if (error == CudaError.CUDA_SUCCESS)
                    cubin = new ReadOnlySpan<byte>(result, checked((int)byteCount)).ToArray();
                else
                    call = "cuLinkComplete";
            }

            // The machine code and the logs belong to the link until here.
            CudaNative.DestroyLink(link);
        }

        return new CudaJit(error, call, cubin, TimeProvider.System.GetElapsedTime(start).TotalMilliseconds,
            $"{TextOf(logs.AsSpan(0, LogBytes))}\n{TextOf(logs.AsSpan(LogBytes))}".Trim());
    }

    /// <summary>Loads PTX or machine code into the current context.</summary>
    /// <param name="image">The machine code, or the text followed by a zero byte.</param>
    /// <param name="module">Receives the handle of the module.</param>
    /// <param name="log">Receives the messages of the compiler about an error.</param>
    public static unsafe CudaError LoadModule(ReadOnlySpan<byte> image, out nint module, out string log)
    {
        byte[] errors = new byte[LogBytes];
        fixed (byte* start = image)
        fixed (byte* errorStart = errors)
        {
            int* options = stackalloc int[] { ErrorLog, ErrorLogBytes };
            nint* values = stackalloc nint[] { (nint)errorStart, LogBytes };
            CudaError error = CudaNative.LoadModule(out module, start, 2, options, values);
            log = TextOf(errors);
            return error;
        }
    }

    private static string TextOf(ReadOnlySpan<byte> log)
    {
        int length = log.IndexOf((byte)0);
        return Encoding.UTF8.GetString(length < 0 ? log : log[..length]).Trim();
    }
}
