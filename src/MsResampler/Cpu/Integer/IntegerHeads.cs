using MsResampler.Model;

namespace MsResampler.Cpu.Integer;

/// <summary>Projected keys or values as integers, head by head, in memory of the caller. The value of a channel is its
/// integer times a scale plus an offset, which each channel of a head has for each frame. <see
/// cref="HeadQuantiser{TSimd,TVector}"/> writes them.</summary>
/// <remarks>With 8 bits an integer is from 0 to 255, with 16 bits from −<see cref="Level"/> to <see cref="Level"/>.
/// </remarks>
internal readonly unsafe struct IntegerHeads
{
    /// <summary>The most keys whose weights are rounded together, the terms of a product with values. Measured with
    /// tiles of 64 queries: blocks of 96 keys cost 5 % more, and blocks of 288 keys 3 % less, but with 8 bits the
    /// weights of longer blocks are coarser.</summary>
    public const int KeyBlock = 192;

    private const int ChannelsPerLine = 16;

    private readonly float* _scales;
    private readonly byte* _rows;
    private readonly int _headCount;
    private readonly nint _headBytes;

    /// <summary>Describes heads in <paramref name="memory"/>.</summary>
    /// <param name="memory">At least <see cref="BytesOf"/>; may be null to compute sizes.</param>
    /// <param name="frameCount">Frames of the stack.</param>
    /// <param name="rowCount">Patches of all frames.</param>
    /// <param name="headCount">A.</param>
    /// <param name="headSize">d.</param>
    /// <param name="terms">Terms of the product that reads the integers.</param>
    /// <param name="type">The type of the product.</param>
    /// <param name="kernel">The kernel that multiplies.</param>
    public IntegerHeads(void* memory, int frameCount, int rowCount, int headCount, int headSize, int terms,
        IntegerType type, IntegerKernel kernel)
    {
        HeadSize = headSize;
        Type = type;
        Kernel = kernel;
        HasBytes = type == IntegerType.Int8 && kernel.HasByteActivations;
        Level = type.MaxLevel(terms);
        ChannelStride = ChannelStrideOf(headSize);
        RowBytes = ChannelStride * (HasBytes ? sizeof(byte) : sizeof(short));
        _headCount = headCount;
        _headBytes = (nint)rowCount * RowBytes;
        _scales = (float*)memory;
        _rows = (byte*)memory + (2L * frameCount * headCount * ChannelStride * sizeof(float));
    }

    /// <summary>d.</summary>
    public int HeadSize { get; }

    /// <summary>The type of the product.</summary>
    public IntegerType Type { get; }

    /// <summary>The kernel that multiplies.</summary>
    public IntegerKernel Kernel { get; }

    /// <summary>Whether integers are bytes, otherwise they are stored with 16 bits.</summary>
    public bool HasBytes { get; }

    /// <summary>The largest integer of the other operand; with 16 bits also of this one.</summary>
    public int Level { get; }

    /// <summary>Channels of a row, padding included.</summary>
    public int ChannelStride { get; }

    /// <summary>Bytes between rows.</summary>
    public int RowBytes { get; }

    /// <summary>Keys or channels in a step of a product: 4 or 2.</summary>
    public int StepLength => Kernel.StepLength(Type);

    /// <summary>Bytes of a step of one query.</summary>
    public int StepBytes => Kernel.StepBytes(Type);

    /// <summary>Bytes of memory that heads need.</summary>
    public static long BytesOf(int frameCount, int rowCount, int headCount, int headSize, IntegerType type,
        IntegerKernel kernel)
    {
        int integerBytes = type == IntegerType.Int8 && kernel.HasByteActivations ? sizeof(byte) : sizeof(short);
        return headCount * (long)ChannelStrideOf(headSize)
            * ((2L * frameCount * sizeof(float)) + ((long)rowCount * integerBytes));
    }

    /// <summary>The scales of the channels of a frame and head.</summary>
    public float* Scales(int frame, int head)
        => _scales + (2 * (((nint)frame * _headCount) + head) * ChannelStride);

    /// <summary>The offsets of the channels of a frame and head.</summary>
    public float* Offsets(int frame, int head) => Scales(frame, head) + ChannelStride;

    /// <summary>The integers of a patch, [<see cref="ChannelStride"/>], of which those behind <see cref="HeadSize"/>
    /// are undefined.</summary>
    public byte* Row(int head, nint row) => _rows + (head * _headBytes) + (row * RowBytes);

    private static int ChannelStrideOf(int headSize)
        => (headSize + ChannelsPerLine - 1) / ChannelsPerLine * ChannelsPerLine;
}
