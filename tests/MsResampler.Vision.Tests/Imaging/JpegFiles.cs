namespace MsResampler.Vision.Tests.Imaging;

/// <summary>JPEG files of kinds that Skia cannot write, written by libjpeg-turbo: a coloured checkerboard.</summary>
internal static class JpegFiles
{
    /// <summary>Kinds with one pass over the pixels.</summary>
    public static readonly string[] Sequential =
        [nameof(Subsampled), nameof(FullColor), nameof(Restarts), nameof(Gray), nameof(SeparateScans)];

    /// <summary>Kinds with several passes of increasing detail.</summary>
    public static readonly string[] Progressives =
        [nameof(Progressive), nameof(ProgressiveRestarts), nameof(ProgressiveGray)];

    /// <summary>4:2:0, 37 x 21.</summary>
    private const string Subsampled =
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERXRTc4UG1R" +
        "V19iZ2hnPk1xeXBkeFxlZ2P/2wBDARESEhgVGC8aGi9jQjhCY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2Nj" +
        "Y2NjY2NjY2NjY2NjY2P/wAARCAAVACUDASIAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAA" +
        "AgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6" +
        "Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXG" +
        "x8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/8QAHwEAAwEBAQEBAQEBAQAAAAAAAAECAwQFBgcICQoL/8QAtREA" +
        "AgECBAQDBAcFBAQAAQJ3AAECAxEEBSExBhJBUQdhcRMiMoEIFEKRobHBCSMzUvAVYnLRChYkNOEl8RcYGRomJygpKjU2Nzg5" +
        "OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6goOEhYaHiImKkpOUlZaXmJmaoqOkpaanqKmqsrO0tba3uLm6wsPE" +
        "xcbHyMnK0tPU1dbX2Nna4uPk5ebn6Onq8vP09fb3+Pn6/9oADAMBAAIRAxEAPwDJ0rSI2iEkg4+nJPoK2tQ1f7OoNtlQQWjZ" +
        "Y1UOMDHDKxOOeflHWor+73zyRoJCVYKQQBjaOB0II3Enkdx0qzd6j5chiRV2BdpTAO5T3z06c+nrnnblOcnZqO/4/wCR0Qw8" +
        "m0lq3+Bb86C1BCJE0iqdqOoxKQQMKwHXPGMZzXP2ljH5UqPbxhwhIIQenUVZtbXlSzYYZPTGPf8Az1wehFUPs6lHAwSc9Bjs" +
        "Qf5ZrshQabTdzidaLjppYl+3apfO1zLqM1sJD8sccxjUD0ABorca6cOypJbRspKsJmwBg4AGCPTPPqKK4frMVoonR7CpLVtF" +
        "G7u3BjjUAJIrAj1Kkqc+oIXp24x0qOHkJnqcYPcZ/wD1UUV0U17Ok3HR6f8ApSX6mONioU6aj1v+gwoElZF7Y6+vr/OrbmQX" +
        "/lNIS0ckEZYcbh82fzyaKKeL1qcr2S/+RDDScqk7/wBaosLGzbxFI0XluUOAp3cA9xx1ooorxJPU5pTcdF5dD//Z";

    /// <summary>4:4:4 with optimised tables, 21 x 19.</summary>
    private const string FullColor =
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdB" +
        "RkxOUlNSMj5aYVpQYEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09P" +
        "T09PT09PT09PT09PT0//wAARCAATABUDAREAAhEBAxEB/8QAFgABAQEAAAAAAAAAAAAAAAAABAUG/8QALBAAAgIABAQEBgMA" +
        "AAAAAAAAAQIDEQQSITEABSJRE0GBwRQjUnGCkbHR8P/EABgBAQADAQAAAAAAAAAAAAAAAAMCBQYE/8QAKREAAQIEBQQBBQAA" +
        "AAAAAAAAAQIRAAMhMQQSQVFxImGBsRMFIzLB8P/aAAwDAQACEQMRAD8Aicl5JE0IlmXp7VqT2HD/ABwPyRoOac8+GRWwZZAQ" +
        "zxOkSosikLWjq5arOvQDqLsccMuYpaiE6MDsC5ej0fbMTbp37TJCam3YvYOaj9AgPUw+abBYQKjzQwHUZpMN4oet6IqqNgg6" +
        "+8hOSoli3h/LgsQdPOtAuGwi5ofIVcKAbkEa3GkSuZ43PiZYoxKSrhSCAKyDpGxBGYk6jzG1aHJwy5v3VWVW5N34skMGtWHw" +
        "xTKlJykZgO7uWerUJBQlwQzk6QvHc1McrQRovhquQx0DmU+d7bag7d71ygJc2ecxJ5tbcc6aGoIPUqOC+nukLN97MRpve9jd" +
        "iGGaXHgx4SmQ2xJsGHN6/wC7bDjQzDKlNnUByWjOmYpZJNTFTFSNnjhv5btArL9QfMGB+4A/XGZkALCpyvy6i/cZT7izwKEi" +
        "WVtUBRHjKRAYBcQY7g0D+RHsP541GKWqU+SnSo+Qze4pTMXMbOXr7v8A3O5gyu0bOENdVelD+zw8tCVXGgixxc6ZKJKFEdSh" +
        "QmwZvZL3JJJrH//Z";

    /// <summary>4:2:2 with restart markers, 37 x 21.</summary>
    private const string Restarts =
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERXRTc4UG1R" +
        "V19iZ2hnPk1xeXBkeFxlZ2P/2wBDARESEhgVGC8aGi9jQjhCY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2Nj" +
        "Y2NjY2NjY2NjY2NjY2P/wAARCAAVACUDASEAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAA" +
        "AgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6" +
        "Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXG" +
        "x8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/8QAHwEAAwEBAQEBAQEBAQAAAAAAAAECAwQFBgcICQoL/8QAtREA" +
        "AgECBAQDBAcFBAQAAQJ3AAECAxEEBSExBhJBUQdhcRMiMoEIFEKRobHBCSMzUvAVYnLRChYkNOEl8RcYGRomJygpKjU2Nzg5" +
        "OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6goOEhYaHiImKkpOUlZaXmJmaoqOkpaanqKmqsrO0tba3uLm6wsPE" +
        "xcbHyMnK0tPU1dbX2Nna4uPk5ebn6Onq8vP09fb3+Pn6/90ABAAC/9oADAMBAAIRAxEAPwDJ0rSI2iEkg4+nJPoK2tQ1f7Oo" +
        "NtlQQWjZY1UOMDHDKxOOeflHWipeLSXX+v6/Pu6a57/1/X9dWi/50FqCESJpFU7UdRiUggYVgOueMYzmuftLGPypUe3jDhCQ" +
        "Qg9OopUpe0bCpFwSb6/1/wAD5H//0KP27VL52uZdRmthIfljjmMagegANFaqnZWIlUu7ou393vnkjQSEqwUggDG0cDoQRuJP" +
        "I7jpVm71Hy5DEirsC7SmAdynvnp059PXPO3z3SnyrX4tX/Xz+ep6UaKqShHsvx0R/9GO1teVLNhhk9MY9/8APXB6EVQ+zqUc" +
        "DBJz0GOxB/lmu/lTlZdDkVX3Xfr/AME6Frpw7KkltGykqwmbAGDgAYI9M8+oor51ubd2538tvkerHD0krSjJvyWh/9Iu7twY" +
        "41ACSKwI9SpKnPqCF6duMdKjh5CZ6nGD3Gf/ANVFBOjTco7v/O36meLh7KlBLrf8LDCgSVkXtjr6+v8AOrbmQX/lNIS0ckEZ" +
        "Ycbh82fzyarGJSkotbL/ACKw8lOpO62/zP/TuLGzbxFI0XluUOAp3cA9xx1orx5NX95Jv5/5nL7RQVnFP7/8z//Z";

    /// <summary>One component, 21 x 19.</summary>
    private const string Gray =
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQ" +
        "ERMUFRUVDA8XGBYUGBIUFRT/wAALCAATABUBAREA/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgED" +
        "AwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RF" +
        "RkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJ" +
        "ytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/9oACAEBAAA/APmT4FfBzTrvRYtT1OPFuMBVVcvK56Ig7sf6EnABI+4f" +
        "jL8UYPh/aWOpeH554NPaGW/sX0FbM2+qW6WKXMqJcTWl61y0ar5n2iKCC0RLnZNcCSPB9g8BfC/SzpXlzaSlzOqoz7TaRFCQ" +
        "SFKywowOMHpjBHNcp/wsjTvCvhrTtH0GX7X4r04LEtlB5ttcPcubJhbLM1tLF++e+0m3L/L5a38kgkDQNt6D4deDPL/s/wD0" +
        "D7JFb71+WTyvs+z+BejHLL8zfLv8t/mRE5/Me30y+12J7/VLi41fVbmaWe7kutMa/keVmJaVif4n/ifguytuVWVs/a3wl0+2" +
        "g8IzXqQR/abexE0Tsoba6x2RBweDyB1r4Z0nxPq3jTR9OfXb+fV7i01ICG7u28y5AuLyXzlMx+dgzIJMFiBI0kgxJI7N6L8Y" +
        "viL4u+Ger+Jrvwp4s1/w/cDxxr3h0vp+q3EW+xsRZyW0bgPh2El7eSNK2ZJJLiV5Gd2LV//Z";

    /// <summary>Sequential with one scan per component, 4:2:0 with restart markers, 37 x 21.</summary>
    private const string SeparateScans =
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERXRTc4UG1R" +
        "V19iZ2hnPk1xeXBkeFxlZ2P/2wBDARESEhgVGC8aGi9jQjhCY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2Nj" +
        "Y2NjY2NjY2NjY2NjY2P/wAARCAAVACUDASIAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAA" +
        "AgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6" +
        "Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXG" +
        "x8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/90ABAAD/9oACAEBAAA/AMnStIjaISSDj6ck+gra1DV/s6g22VBB" +
        "aNljVQ4wMcMrE455+Udav+dBaghEiaRVO1HUYlIIGFYDrnjGM5r/0KVpYx+VKj28YcISCEHp1FJ9u1S+drmXUZrYSH5Y45jG" +
        "oHoADV2/u988kaCQlWCkEAY2jgdCCNxJ5HcdK//RsXeo+XIYkVdgXaUwDuU989OnPp655207W15Us2GGT0xj3/z1wehFUPs6" +
        "lHAwSc9BjsQf5Zr/0rzXTh2VJLaNlJVhM2AMHAAwR6Z59RVG7u3BjjUAJIrAj1Kkqc+oIXp24x0qOHkJnqcYPcZ//VX/04Cg" +
        "SVkXtjr6+v8AOrbmQX/lNIS0ckEZYcbh82fzyasLGzbxFI0XluUOAp3cA9xx1r//xAAfAQADAQEBAQEBAQEBAAAAAAAAAQID" +
        "BAUGBwgJCgv/xAC1EQACAQIEBAMEBwUEBAABAncAAQIDEQQFITEGEkFRB2FxEyIygQgUQpGhscEJIzNS8BVictEKFiQ04SXx" +
        "FxgZGiYnKCkqNTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqCg4SFhoeIiYqSk5SVlpeYmZqio6Slpqeo" +
        "qaqys7S1tre4ubrCw8TFxsfIycrS09TV1tfY2dri4+Tl5ufo6ery8/T19vf4+fr/2gAIAQIRAD8AynOTs1Hf8f8AI7IUGm03" +
        "c4frMVoon//QdNezpNx0en/pSX6jxetTleyX/wAieJJ6n//aAAgBAxEAPwDohh5NpLVv8DidaLjppY6PYVJato//0IxsVCnT" +
        "Uet/0DDScqk7/wBao5pTcdF5dD//2Q==";

    /// <summary>Progressive, 4:2:0, 37 x 21.</summary>
    private const string Progressive =
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERXRTc4UG1R" +
        "V19iZ2hnPk1xeXBkeFxlZ2P/2wBDARESEhgVGC8aGi9jQjhCY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2Nj" +
        "Y2NjY2NjY2NjY2NjY2P/wgARCAAVACUDASIAAhEBAxEB/8QAGAAAAwEBAAAAAAAAAAAAAAAAAAIDBAX/xAAYAQEAAwEAAAAA" +
        "AAAAAAAAAAADAAECBP/aAAwDAQACEAMQAAABybUrhK8+udgc3AJBQTC2C5QDhP8A/8QAGxAAAgMBAQEAAAAAAAAAAAAAAAIB" +
        "AxESIUH/2gAIAQEAAQUCqqjLLeTYUVIzu1x29azJVTk6GYg++94f/8QAGREAAgMBAAAAAAAAAAAAAAAAAAECAxES/9oACAED" +
        "AQE/AVWztYcSZcsjHCt7JjeH/8QAHxEAAgEDBQEAAAAAAAAAAAAAAAECIVHwAxETIjJB/9oACAECAQE/AW3YUDkViPWNMqav" +
        "rbPgz//EACIQAAIBAgUFAAAAAAAAAAAAAAABEQIhAxAiMUESUXGBsf/aAAgBAQAGPwKWafVjifo9KOp4jpnhOBq5Ge9K8iXf" +
        "OJ2aRZxB/8QAHxAAAgICAgMBAAAAAAAAAAAAAREAITFBUZGhwfDh/9oACAEBAAE/ISoEtNkAD7B9TXBAKBHgYsFi4jp0Iijx" +
        "MCuv2VABJLkffcY2biIwmyAQKLw9GAPivU1iRAQ5VmXOYCLYxauf/9oADAMBAAIAAwAAABArcMOEL//EAB0RAQACAgIDAAAA" +
        "AAAAAAAAAAEAIRFBMWGhwfD/2gAIAQMBAT8QYgWviKUrE5ikIm2fUbJ+si0OtT//xAAcEQEAAwACAwAAAAAAAAAAAAABABEh" +
        "MaGxwdH/2gAIAQIBAT8QdScu/kcUW5VhAtcOeB7m7OAhbP/EACAQAQEAAwEBAAEFAAAAAAAAAAERACExUUGxYXGR8PH/2gAI" +
        "AQEAAT8QMhr9tr4ZEbCIAMJpDN707kSPCNGIQDt1JbknhaIfOmQXVsAPAHJ5SCECRo4iUuz6cy5M0kafbzm/PbvGxQFeSfr/" +
        "AHseJlDIreE+I/i4FlCEAjAInl36YdABCeqVfROPmpzNi+sj9L/mJ+anfffzjFxRDUdfzXIGyuC4H6a7n//Z";

    /// <summary>Progressive, 4:4:4 with restart markers, 21 x 19.</summary>
    private const string ProgressiveRestarts =
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdB" +
        "RkxOUlNSMj5aYVpQYEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09P" +
        "T09PT09PT09PT09PT0//wgARCAATABUDAREAAhEBAxEB/8QAFgABAQEAAAAAAAAAAAAAAAAAAwQF/8QAGAEAAwEBAAAAAAAA" +
        "AAAAAAAAAgMEBQH/3QAEAAL/2gAMAwEAAhADEAAAAYTDQQ7/0KgdIJ//0Vnol0M7/9JZOhqRf//TC1f/xAAcEAACAgIDAAAA" +
        "AAAAAAAAAAABAgADETESISL/2gAIAQEAAQUCppGLb+M//9AlFlj+v//Re3BCdf/SYwa//9PU/8QAIhEAAAYBAwUAAAAAAAAA" +
        "AAAAAAECAxES8DFBcQQhgcHh/9oACAEDAQE/AbCkD//QbaNW0+Q3CUlGufCH/9Fnp+05mc2Mx//SYIqzz6FjVqP/03VqToe5" +
        "j//EACQRAAEDAwEJAAAAAAAAAAAAAAEAAvASITEDESJBUWFxgbHB/9oACAECAQE/AaU1xJtJ38L/0KwUzTLt48Z6X//Rpc+8" +
        "k6l1Lclf/9Jl9rzm/wAWqS3HIr//02gFf//EACAQAAIBAgcBAAAAAAAAAAAAAAABESExAhAiQVFxgbH/2gAIAQEABj8Clmjy" +
        "lz//0Lpd4ZGlJ//RhW4K/D//0ktqZf/TP//EAB8QAQACAQQDAQAAAAAAAAAAAAEAESExQVHwYYGhkf/aAAgBAQABPyF1XEoD" +
        "Y1UABjkb+T//0K0fPyJdoBr80+z/0bgihXkd7xgbvef/0mvdJTm7ub3dZ//TFTXM/9oADAMBAAIAAwAAABDf/9Bf/9Ev/9JL" +
        "/9O//8QAIBEBAAICAQQDAAAAAAAAAAAAARExACFBUWFxsYHB8P/aAAgBAwEBPxDCNmuzNEuz6EJ25//QPmfgCPInNnGOWEDv" +
        "MsTuNKMwkSvGf//RmDvrUJx1u6bhIMKVduf/0hKOwR8SMYU537v956uf/9NlWNGloiPazaqu8//EAB4RAQABBAMBAQAAAAAA" +
        "AAAAAAERACExQVFxgbFh/9oACAECAQE/EKIjSB4GWbTaeJOO3//QEMMeT7Iwjr3djh67K5nrAgjF6//RFyXvGOTvWm4jQo4j" +
        "tiv/0iHkE/pL7Urjc9Ij7X//08oaK//EACEQAQEAAgEEAgMAAAAAAAAAAAERITEAQVFxgZHBsdHw/9oACAEBAAE/EBniJlex" +
        "ymBRfQRhsVzi5LTn/9ANZyYOdxJI0Rz9z80UIEnDSJS5OpqY/9FcqhgadbrWR13ueAsqlo/J/dtHP//SyJ4UJB8gfHDStjB9" +
        "j6Pzz//TEXNPUP28/9k=";

    /// <summary>Progressive, one component, 21 x 19.</summary>
    private const string ProgressiveGray =
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdB" +
        "RkxOUlNSMj5aYVpQYEpRUk//wgALCAATABUBAREA/8QAFwABAQEBAAAAAAAAAAAAAAAABQMEBv/aAAgBAQAAAAE1rXKnNsC6" +
        "P//EABoQAAMAAwEAAAAAAAAAAAAAAAECAwAREjL/2gAIAQEAAQUCjIarTjEmNdhVRc0TkvIYsKu6H//EACIQAAEEAQIHAAAA" +
        "AAAAAAAAAAEAAhEhMRJBIjJhcZHB8P/aAAgBAQAGPwKSpbjIjdYQDeYfex5QpSbPaVPRDUZtO0PcONzaOwX/xAAhEAACAwAB" +
        "AwUAAAAAAAAAAAABEQAhMUFhcYGRobHR4f/aAAgBAQABPyEziwQApphQJ6QX3QF7Nhz4mwuIUXVNco/E6YvaCykhZcAGVj6R" +
        "nBChO2YdiOw4F8n1n//aAAgBAQAAABACf//EAB0QAQEAAwEAAwEAAAAAAAAAAAERACExQVFhcZH/2gAIAQEAAT8QCF+Jtfgw" +
        "HiiGUUCaOwEhozRgAWTP6DlV6JuRckjarUpviXgrjNPD3vurHYGAKHLUt6/b6+t0OCYGwM9mWDcs3Zu+9L+q9VzZu0FaQ721" +
        "16qVVz//2Q==";

    /// <summary>The bytes of a file of a kind.</summary>
    public static byte[] Of(string kind) => Convert.FromBase64String(kind switch
    {
        nameof(Subsampled) => Subsampled,
        nameof(FullColor) => FullColor,
        nameof(Restarts) => Restarts,
        nameof(Gray) => Gray,
        nameof(SeparateScans) => SeparateScans,
        nameof(Progressive) => Progressive,
        nameof(ProgressiveRestarts) => ProgressiveRestarts,
        nameof(ProgressiveGray) => ProgressiveGray,
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, null),
    });
}
